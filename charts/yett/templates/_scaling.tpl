{{- define "yett.autoscaling" -}}
{{- $a := index . 1 -}}
scaleTargetRef:
  apiVersion: apps/v1
  kind: Deployment
  name: {{ index . 0 }}
minReplicas: {{ int $a.minReplicas }}
maxReplicas: {{ int $a.maxReplicas }}
metrics:
  {{- range $resource, $target := dict "cpu" $a.targetCPUUtilizationPercentage "memory" $a.targetMemoryUtilizationPercentage }}
  {{- if $target }}
  - type: Resource
    resource:
      name: {{ $resource }}
      target:
        type: Utilization
        averageUtilization: {{ int $target }}
  {{- end }}
  {{- end }}
{{- end -}}

{{- define "yett.budget" -}}
{{- if and (not (kindIs "invalid" .maxUnavailable)) (ne "" (toString .maxUnavailable)) -}}
maxUnavailable: {{ include "yett.text" .maxUnavailable }}
{{- else -}}
minAvailable: {{ include "yett.text" .minAvailable }}
{{- end }}
{{- with .unhealthyPodEvictionPolicy }}
unhealthyPodEvictionPolicy: {{ . }}
{{- end }}
{{- end -}}
