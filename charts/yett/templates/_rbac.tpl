{{/* What is read in the namespaces whose Ingresses are served. */}}
{{- define "yett.rules.serve" -}}
- apiGroups: [""]
  resources: [configmaps, secrets, services]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch, update]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* Kinds above namespaces. */}}
{{- define "yett.rules.cluster" -}}
- apiGroups: [""]
  resources: [namespaces, nodes]
  verbs: [get, list, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [get, list, watch]
{{- end -}}

{{/* What the controller needs in its own namespace. */}}
{{- define "yett.rules.own" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "yett.electionID" . | quote }}]
  verbs: [get, update]
{{- end -}}

{{/* What the certificate of the admission webhook needs in the own namespace. A name cannot be given to create. */}}
{{- define "yett.rules.certificate" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "yett.admission.fullname" . | quote }}]
  verbs: [get, list, watch, update]
{{- end -}}

{{/* And above namespaces. */}}
{{- define "yett.rules.trust" -}}
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingwebhookconfigurations]
  resourceNames: [{{ include "yett.admission.fullname" . | quote }}]
  verbs: [get, list, watch, patch]
{{- end -}}

{{/* "yes" where the controller has no rights beyond namespaces. */}}
{{- define "yett.confined" -}}
{{- if and .Values.rbac.scope .Values.controller.scope.enabled }}yes{{ end -}}
{{- end -}}

{{/* A Role or ClusterRole with its binding: (list $ KIND NAME NAMESPACE RULES). */}}
{{- define "yett.role" -}}
{{- $root := index . 0 -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ index . 1 }}
metadata:
  name: {{ index . 2 }}
  {{- with index . 3 }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "yett.labels" (list $root "controller" $root.Values.controller.labels) | nindent 4 }}
rules:
  {{- index . 4 | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ index . 1 }}Binding
metadata:
  name: {{ index . 2 }}
  {{- with index . 3 }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "yett.labels" (list $root "controller" $root.Values.controller.labels) | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ index . 1 }}
  name: {{ index . 2 }}
subjects:
  - kind: ServiceAccount
    name: {{ include "yett.serviceAccountName" $root }}
    namespace: {{ include "yett.namespace" $root }}
{{- end -}}
