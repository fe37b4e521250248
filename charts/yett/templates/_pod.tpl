{{- define "yett.securityContext" -}}
{{- if .context -}}
{{- toYaml .context -}}
{{- else -}}
runAsNonRoot: {{ .image.runAsNonRoot }}
runAsUser: {{ int64 .image.runAsUser }}
{{- with .image.runAsGroup }}
runAsGroup: {{ int64 . }}
{{- end }}
allowPrivilegeEscalation: {{ .image.allowPrivilegeEscalation }}
readOnlyRootFilesystem: {{ .image.readOnlyRootFilesystem }}
{{- with .image.seccompProfile }}
seccompProfile:
  {{- toYaml . | nindent 2 }}
{{- end }}
capabilities:
  drop:
    - ALL
  {{- if .bind }}
  add:
    - NET_BIND_SERVICE
  {{- end }}
{{- end -}}
{{- end -}}

{{/* The command line: what ingress-nginx's chart gives, as far as it has an effect, then extraArgs. */}}
{{- define "yett.args" -}}
{{- $c := .Values.controller -}}
{{- $self := printf "$(POD_NAMESPACE)/%s" (include "yett.controller.fullname" .) -}}
- /nginx-ingress-controller
{{- if .Values.defaultBackend.enabled }}
- --default-backend-service=$(POD_NAMESPACE)/{{ include "yett.defaultBackend.fullname" . }}
{{- end }}
{{- if and $c.publishService.enabled $c.service.enabled }}
{{- if $c.service.external.enabled }}
- --publish-service={{ default $self $c.publishService.pathOverride }}
{{- else if $c.service.internal.enabled }}
- --publish-service={{ default (printf "%s-internal" $self) $c.publishService.pathOverride }}
{{- end }}
{{- end }}
- --election-id={{ include "yett.electionID" . }}
- --controller-class={{ $c.ingressClassResource.controllerValue }}
{{- with $c.ingressClass }}
- --ingress-class={{ . }}
{{- end }}
- --configmap={{ default "$(POD_NAMESPACE)" $c.configMapNamespace }}/{{ include "yett.controller.fullname" . }}
{{- range $protocol := list "tcp" "udp" }}
{{- if index $.Values $protocol }}
- --{{ $protocol }}-services-configmap={{ default "$(POD_NAMESPACE)" (index $c $protocol).configMapNamespace }}/{{ include "yett.fullname" $ }}-{{ $protocol }}
{{- end }}
{{- end }}
{{- if $c.scope.enabled }}
- --watch-namespace={{ default "$(POD_NAMESPACE)" $c.scope.namespace }}
{{- else if $c.scope.namespaceSelector }}
- --watch-namespace-selector={{ $c.scope.namespaceSelector }}
{{- end }}
{{- if and $c.reportNodeInternalIp $c.hostNetwork }}
- --report-node-internal-ip-address=true
{{- end }}
{{- with $c.healthCheckHost }}
- --healthz-host={{ . }}
{{- end }}
{{- if ne $c.healthCheckPath "/healthz" }}
- --health-check-path={{ $c.healthCheckPath }}
{{- end }}
{{- if $c.ingressClassByName }}
- --ingress-class-by-name=true
{{- end }}
{{- if $c.watchIngressWithoutClass }}
- --watch-ingress-without-class=true
{{- end }}
{{- if not $c.metrics.enabled }}
- --enable-metrics=false
{{- end }}
{{- if $c.disableLeaderElection }}
- --disable-leader-election=true
{{- end }}
{{- with $c.electionTTL }}
- --election-ttl={{ include "yett.text" . }}
{{- end }}
{{- $hook := $c.admissionWebhooks }}
{{- if $hook.enabled }}
- --validating-webhook=:{{ int $hook.port }}
{{- if include "yett.admission.own" . }}
- --validating-webhook-secret={{ include "yett.admission.fullname" . }}
- --validating-webhook-service={{ include "yett.admission.service" . }}
- --validating-webhook-configuration={{ include "yett.admission.fullname" . }}
{{- else }}
- --validating-webhook-certificate={{ $hook.certificate }}
- --validating-webhook-key={{ $hook.key }}
{{- end }}
{{- end }}
{{- range $name, $port := dict "http" 80 "https" 443 }}
{{- $flag := printf "%s-port" $name }}
{{- $own := index $c.containerPort $name }}
{{- if and $own (ne (int $own) $port) (not (hasKey $c.extraArgs $flag)) }}
- --{{ $flag }}={{ int $own }}
{{- end }}
{{- end }}
{{- if and .Values.yett.http3.enabled (not (hasKey $c.extraArgs "enable-http3")) }}
- --enable-http3=true
{{- end }}
{{- if not (hasKey $c.extraArgs "shutdown-grace-period") }}
- --shutdown-grace-period={{ int .Values.yett.shutdownGracePeriodSeconds }}
{{- end }}
{{- range $key, $value := $c.extraArgs }}
{{- $text := "" }}
{{- if not (kindIs "invalid" $value) }}{{ $text = include "yett.text" $value }}{{ end }}
{{- if $text }}
- --{{ $key }}={{ tpl $text $ }}
{{- else }}
- --{{ $key }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The name of the port of a TCP or UDP service: (list $ PORT PROTOCOL). */}}
{{- define "yett.streamPort" -}}
{{- with (index . 0).Values.portNamePrefix }}{{ . }}-{{ end }}{{ index . 1 }}-{{ index . 2 }}
{{- end -}}

{{/* 90 % of a memory limit such as 512Mi or 1.5Gi, in KiB; nothing for other notations. */}}
{{- define "yett.goMemoryLimit" -}}
{{- $units := dict "Ki" 1.0 "Mi" 1024.0 "Gi" 1048576.0 "k" 0.9765625 "M" 976.5625 "G" 976562.5 -}}
{{- $number := regexFind "^[0-9.]+" (toString .) -}}
{{- $factor := get $units (regexFind "[a-zA-Z]+$" (toString .)) -}}
{{- if and $number $factor -}}
{{- mulf (float64 $number) $factor 0.9 | floor | int64 -}}KiB
{{- end -}}
{{- end -}}

{{/* The pod of the controller, the same for a Deployment and a DaemonSet. */}}
{{- define "yett.pod" -}}
{{- $c := .Values.controller -}}
metadata:
  labels:
    {{- $labels := merge (dict "app.kubernetes.io/component" "controller") (include "yett.selectorLabels" . | fromYaml) }}
    {{- range $more := list .Values.commonLabels $c.labels $c.podLabels }}
    {{- range $key, $value := $more }}{{ if not (has $key (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component")) }}{{ $_ := set $labels $key (toString $value) }}{{ end }}{{ end }}
    {{- end }}
    {{- toYaml $labels | nindent 4 }}
  {{- with $c.podAnnotations }}
  annotations:
    {{- include "yett.strings" (list $ .) | nindent 4 }}
  {{- end }}
spec:
  {{- with $c.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $c.hostAliases }}
  hostAliases:
    {{- tpl (toYaml .) $ | nindent 4 }}
  {{- end }}
  {{- with $c.hostname }}
  hostname: {{ toYaml . }}
  {{- end }}
  dnsPolicy: {{ $c.dnsPolicy }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $c.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $c.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- if or $c.podSecurityContext $c.sysctls }}
  securityContext:
    {{- with $c.podSecurityContext }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with $c.sysctls }}
    sysctls:
      {{- range $name, $value := . }}
      - name: {{ $name }}
        value: {{ include "yett.text" $value | quote }}
      {{- end }}
    {{- end }}
  {{- end }}
  {{- if $c.shareProcessNamespace }}
  shareProcessNamespace: true
  {{- end }}
  {{- with $c.extraInitContainers }}
  initContainers:
    {{- include "yett.tpl" (list $ .) | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ $c.containerName }}
      image: {{ include "yett.image" . | quote }}
      imagePullPolicy: {{ $c.image.pullPolicy }}
      {{- with $c.lifecycle }}
      lifecycle:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      args:
        {{- range include "yett.args" . | fromYamlArray }}
        - {{ . | quote }}
        {{- end }}
      securityContext:
        {{- include "yett.securityContext" (dict "context" $c.containerSecurityContext "image" $c.image "bind" true) | nindent 8 }}
      env:
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        - name: POD_NAMESPACE
          valueFrom:
            fieldRef:
              fieldPath: metadata.namespace
        {{- $given := dict }}
        {{- range $c.extraEnvs }}{{ $_ := set $given .name true }}{{ end }}
        {{- $memory := dig "limits" "memory" "" (default dict $c.resources) }}
        {{- if and .Values.yett.goMemoryLimit $memory (not (hasKey $given "GOMEMLIMIT")) (include "yett.goMemoryLimit" $memory) }}
        - name: GOMEMLIMIT
          value: {{ include "yett.goMemoryLimit" $memory }}
        {{- end }}
        {{- with $c.extraEnvs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- range $name := list "startupProbe" "livenessProbe" "readinessProbe" }}
      {{- with index $c $name }}
      {{ $name }}:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      ports:
        {{- range $key, $value := $c.containerPort }}
        - name: {{ $key }}
          containerPort: {{ int $value }}
          protocol: TCP
          {{- if $c.hostPort.enabled }}
          {{- with index $c.hostPort.ports $key }}
          hostPort: {{ int . }}
          {{- end }}
          {{- end }}
        {{- end }}
        {{- range $protocol := list "tcp" "udp" }}
        {{- range $port, $service := index $.Values $protocol }}
        - name: {{ include "yett.streamPort" (list $ $port $protocol) }}
          containerPort: {{ int $port }}
          protocol: {{ upper $protocol }}
          {{- if $c.hostPort.enabled }}
          hostPort: {{ int $port }}
          {{- end }}
        {{- end }}
        {{- end }}
        {{- if and .Values.yett.http3.enabled $c.containerPort.https }}
        - name: http3
          containerPort: {{ int $c.containerPort.https }}
          protocol: UDP
          {{- if $c.hostPort.enabled }}
          {{- with $c.hostPort.ports.https }}
          hostPort: {{ int . }}
          {{- end }}
          {{- end }}
        {{- end }}
        {{- if $c.metrics.enabled }}
        - name: {{ $c.metrics.portName }}
          containerPort: {{ int $c.metrics.port }}
          protocol: TCP
        {{- end }}
        {{- if $c.admissionWebhooks.enabled }}
        - name: webhook
          containerPort: {{ int $c.admissionWebhooks.port }}
          protocol: TCP
        {{- end }}
      {{- $mounted := include "yett.admission.mounted" . }}
      {{- if or $mounted $c.extraVolumeMounts }}
      volumeMounts:
        {{- if $mounted }}
        - name: webhook-cert
          mountPath: {{ dir $c.admissionWebhooks.certificate }}
          readOnly: true
        {{- end }}
        {{- with $c.extraVolumeMounts }}
        {{- include "yett.tpl" (list $ .) | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- with $c.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if and $c.resizePolicy (semverCompare ">=1.33.0-0" .Capabilities.KubeVersion.Version) }}
      resizePolicy:
        {{- toYaml $c.resizePolicy | nindent 8 }}
      {{- end }}
    {{- with $c.extraContainers }}
    {{- include "yett.tpl" (list $ .) | nindent 4 }}
    {{- end }}
  {{- if $c.hostNetwork }}
  hostNetwork: true
  {{- end }}
  {{- with $c.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $c.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $c.affinity }}
  affinity:
    {{- include "yett.tpl" (list $ .) | nindent 4 }}
  {{- end }}
  {{- with $c.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- include "yett.tpl" (list $ .) | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ include "yett.serviceAccountName" . }}
  terminationGracePeriodSeconds: {{ int64 $c.terminationGracePeriodSeconds }}
  {{- if or $mounted $c.extraVolumes }}
  volumes:
    {{- if $mounted }}
    - name: webhook-cert
      secret:
        secretName: {{ include "yett.admission.fullname" . }}
        {{- if $c.admissionWebhooks.certManager.enabled }}
        items:
          - key: tls.crt
            path: {{ base $c.admissionWebhooks.certificate }}
          - key: tls.key
            path: {{ base $c.admissionWebhooks.key }}
        {{- end }}
    {{- end }}
    {{- with $c.extraVolumes }}
    {{- include "yett.tpl" (list $ .) | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end -}}
