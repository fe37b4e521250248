{{/*
Names and labels follow the rules of the ingress-nginx chart, so that with nameOverride=ingress-nginx an upgrade in
place meets the same objects: the Service with its load balancer, the ConfigMap, the IngressClass, the Lease, and
the selector of the Deployment, which cannot be changed.
*/}}
{{- define "yett.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "yett.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "yett.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "yett.controller.fullname" -}}
{{- printf "%s-%s" (include "yett.fullname" .) .Values.controller.name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "yett.defaultBackend.fullname" -}}
{{- printf "%s-%s" (include "yett.fullname" .) .Values.defaultBackend.name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The ValidatingWebhookConfiguration, and the Secret with its certificate. */}}
{{- define "yett.admission.fullname" -}}
{{- printf "%s-%s" (include "yett.fullname" .) .Values.controller.admissionWebhooks.name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "yett.admission.service" -}}
{{- printf "%s-admission" (include "yett.controller.fullname" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* "yes" where the controller makes the certificate of the webhook. */}}
{{- define "yett.admission.own" -}}
{{- $hook := .Values.controller.admissionWebhooks -}}
{{- if and $hook.enabled $hook.patch.enabled (not $hook.certManager.enabled) }}yes{{ end -}}
{{- end -}}

{{/* "yes" where it comes in a Secret that is mounted. */}}
{{- define "yett.admission.mounted" -}}
{{- if and .Values.controller.admissionWebhooks.enabled (not (include "yett.admission.own" .)) }}yes{{ end -}}
{{- end -}}

{{- define "yett.electionID" -}}
{{- default (printf "%s-leader" (include "yett.fullname" .)) .Values.controller.electionID -}}
{{- end -}}

{{- define "yett.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "yett.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "yett.defaultBackend.serviceAccountName" -}}
{{- if .Values.defaultBackend.serviceAccount.create -}}
{{- default (printf "%s-backend" (include "yett.fullname" .)) .Values.defaultBackend.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.defaultBackend.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "yett.selectorLabels" -}}
app.kubernetes.io/name: {{ include "yett.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of an object: (list $ COMPONENT EXTRA...), each of the extra maps winning over what is before it. */}}
{{- define "yett.labels" -}}
{{- $root := index . 0 -}}
{{- $labels := include "yett.selectorLabels" $root | fromYaml -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- $_ := set $labels "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $labels "app.kubernetes.io/part-of" (include "yett.name" $root) -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $labels "app.kubernetes.io/component" (index . 1) -}}
{{- range prepend (slice . 2) $root.Values.commonLabels -}}
{{- range $key, $value := . }}{{- $_ := set $labels $key (toString $value) -}}{{- end -}}
{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* The metadata of an object of the controller: (list $ NAME LABELS ANNOTATIONS). */}}
{{- define "yett.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
namespace: {{ include "yett.namespace" $root }}
labels:
  {{- include "yett.labels" (list $root "controller" (index . 2)) | nindent 2 }}
{{- with index . 3 }}
annotations:
  {{- include "yett.strings" (list $root .) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A number as it was written: Helm reads all numbers as floating point, and 1000000 would become 1e+06. */}}
{{- define "yett.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}
{{- int64 . -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* A map whose values are strings and may be templates: (list $ MAP). */}}
{{- define "yett.strings" -}}
{{- $root := index . 0 -}}
{{- range $key, $value := index . 1 }}
{{ $key | quote }}: {{ tpl (include "yett.text" $value) $root | quote }}
{{- end }}
{{- end -}}

{{/* A value that may be a template: (list $ VALUE). */}}
{{- define "yett.tpl" -}}
{{- $value := index . 1 -}}
{{- if not (kindIs "string" $value) }}{{ $value = toYaml $value }}{{ end -}}
{{- tpl $value (index . 0) -}}
{{- end -}}
