{{/* The spec of a Service for traffic: (list $ VALUES DEFAULTS). The internal Service takes ports from the external one. */}}
{{- define "yett.service.spec" -}}
{{- $root := index . 0 -}}
{{- $s := index . 1 -}}
{{- $defaults := index . 2 -}}
{{- $type := default $defaults.type $s.type -}}
type: {{ $type }}
{{- with $s.clusterIP }}
clusterIP: {{ . | quote }}
{{- end }}
{{- with $s.clusterIPs }}
clusterIPs:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $s.externalIPs }}
externalIPs:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $s.loadBalancerIP }}
loadBalancerIP: {{ . | quote }}
{{- end }}
{{- with $s.loadBalancerSourceRanges }}
loadBalancerSourceRanges:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $s.loadBalancerClass }}
loadBalancerClass: {{ . }}
{{- end }}
{{- if kindIs "bool" $s.allocateLoadBalancerNodePorts }}
allocateLoadBalancerNodePorts: {{ $s.allocateLoadBalancerNodePorts }}
{{- end }}
{{- with $s.externalTrafficPolicy }}
externalTrafficPolicy: {{ . }}
{{- end }}
{{- with $s.sessionAffinity }}
sessionAffinity: {{ . }}
{{- end }}
{{- with $s.healthCheckNodePort }}
healthCheckNodePort: {{ int . }}
{{- end }}
{{- if and $s.trafficDistribution (semverCompare ">=1.31.0-0" $root.Capabilities.KubeVersion.Version) }}
trafficDistribution: {{ $s.trafficDistribution }}
{{- end }}
{{- with $s.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with $s.ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- range $name, $enabled := dict "http" $defaults.enableHttp "https" $defaults.enableHttps }}
  {{- if $enabled }}
  - name: {{ $name }}
    port: {{ int (default (index $defaults.ports $name) (index (default dict $s.ports) $name)) }}
    protocol: TCP
    targetPort: {{ default (index $defaults.targetPorts $name) (index (default dict $s.targetPorts) $name) }}
    {{- if $s.appProtocol }}
    appProtocol: {{ $name }}
    {{- end }}
    {{- if has $type (list "NodePort" "LoadBalancer") }}
    {{- with index (default dict $s.nodePorts) $name }}
    nodePort: {{ int . }}
    {{- end }}
    {{- end }}
  {{- end }}
  {{- end }}
  {{- range $protocol := list "tcp" "udp" }}
  {{- range $port, $service := index $root.Values $protocol }}
  {{- $name := include "yett.streamPort" (list $root $port $protocol) }}
  - name: {{ $name }}
    port: {{ int $port }}
    protocol: {{ upper $protocol }}
    targetPort: {{ $name }}
    {{- if has $type (list "NodePort" "LoadBalancer") }}
    {{- with dig $protocol (toString $port) "" (default dict $s.nodePorts) }}
    nodePort: {{ int . }}
    {{- end }}
    {{- end }}
  {{- end }}
  {{- end }}
  {{- if and $root.Values.yett.http3.enabled $defaults.enableHttps }}
  - name: http3
    port: {{ int (default $defaults.ports.https (default dict $s.ports).https) }}
    protocol: UDP
    targetPort: http3
  {{- end }}
selector:
  {{- include "yett.selectorLabels" $root | nindent 2 }}
  app.kubernetes.io/component: controller
{{- end -}}
