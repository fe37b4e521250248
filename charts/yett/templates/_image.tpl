{{/*
Values made for ingress-nginx often name its image, or only its tag or digest. That is not the image of this chart,
so it does not count, and NOTES.txt says so. "yes" if the value names the controller of ingress-nginx.
*/}}
{{- define "yett.image.foreign" -}}
{{- $name := default .image .repository | default "" -}}
{{- if regexMatch "(ingress-nginx/controller|nginx-ingress-controller|ingress-nginx-controller)(-chroot)?$" $name -}}yes
{{- else if and (not $name) .digest -}}yes
{{- else if and (not $name) (regexMatch "^v[01][.]" (toString .tag)) -}}yes
{{- end -}}
{{- end -}}

{{- define "yett.image" -}}
{{- $image := .Values.controller.image -}}
{{- $foreign := include "yett.image.foreign" $image -}}
{{- $registry := default $image.registry .Values.global.image.registry -}}
{{- if or (not $registry) (has $registry (list "registry.k8s.io" "k8s.gcr.io" "quay.io")) -}}
{{- $registry = .Values.yett.image.registry -}}
{{- end -}}
{{- if $foreign -}}
{{- printf "%s/%s:%s" $registry .Values.yett.image.image .Chart.AppVersion -}}
{{- else -}}
{{- if $image.repository }}{{ $image.repository }}{{ else }}{{ $registry }}/{{ default .Values.yett.image.image $image.image }}{{ end -}}
:{{ default .Chart.AppVersion $image.tag }}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "yett.defaultBackend.image" -}}
{{- $image := .Values.defaultBackend.image -}}
{{- if $image.repository -}}
{{ $image.repository }}:{{ default "latest" $image.tag }}
{{- else -}}
{{ default (default .Values.yett.image.registry $image.registry) .Values.global.image.registry }}/{{ $image.image }}:{{ default "latest" $image.tag }}
{{- end -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* "yes" if an image of the user's own is the default backend; else the controller's image is. */}}
{{- define "yett.defaultBackend.own" -}}
{{- $name := default .Values.defaultBackend.image.image .Values.defaultBackend.image.repository | default "" -}}
{{- if and $name (not (contains "defaultbackend" $name)) }}yes{{ end -}}
{{- end -}}
