{{/* What was accepted without effect, one line each. Only what differs from the defaults is named. */}}
{{- define "yett.notices" -}}
{{- $c := .Values.controller -}}
{{- if include "yett.image.foreign" $c.image }}
controller.image names the image of ingress-nginx (or only its tag or digest); {{ include "yett.image" . }} runs instead. To pin an image of Yett set controller.image.repository too.
{{- end }}
{{- $hook := $c.admissionWebhooks }}
{{- if and $hook.enabled (or $hook.createSecretJob $hook.patchWebhookJob $hook.extraEnvs (omit $hook.patch "enabled")) }}
controller.admissionWebhooks: no jobs are run; the controller makes the certificate of the webhook itself.
{{- end }}
{{- if and $hook.enabled (not $hook.patch.enabled) (not $hook.certManager.enabled) }}
controller.admissionWebhooks.patch.enabled is false: put cert and key into the Secret {{ include "yett.admission.fullname" . }}, and their authority into the caBundle.
{{- end }}
{{- if $c.enableTopologyAwareRouting }}
controller.enableTopologyAwareRouting: not there yet.
{{- end }}
{{- if not $c.enableAnnotationValidations }}
controller.enableAnnotationValidations: annotations are always validated.
{{- end }}
{{- if $c.image.chroot }}
controller.image.chroot: there is nothing to confine from within; the root file system is read-only and all capabilities but one are dropped.
{{- end }}
{{- if $c.allowSnippetAnnotations }}
controller.allowSnippetAnnotations: snippets are never run; Events name the Ingresses that have some.
{{- end }}
{{- if $c.customTemplate.configMapName }}
controller.customTemplate: there is no nginx.tmpl here.
{{- end }}
{{- if $c.extraModules }}
controller.extraModules: there are no nginx modules here.
{{- end }}
{{- if dig "enabled" false (default dict $c.opentelemetry) }}
controller.opentelemetry: there is no nginx module to load, and tracing is not there yet.
{{- end }}
{{- if $c.maxmindLicenseKey }}
controller.maxmindLicenseKey: GeoIP is not there yet.
{{- end }}
{{- if .Values.dhParam }}
dhParam: there are no finite-field Diffie-Hellman suites here.
{{- end }}
{{- if dig "enabled" false (default dict .Values.podSecurityPolicy) }}
podSecurityPolicy: Kubernetes has none any more. The pods pass the level "restricted" of Pod Security.
{{- end }}
{{- if and .Values.defaultBackend.enabled (not (include "yett.defaultBackend.own" .)) }}
defaultBackend.image: the controller's own image answers 404 instead.
{{- end }}
{{- if and .Values.rbac.scope (not $c.scope.enabled) }}
rbac.scope: counts only together with controller.scope.enabled.
{{- end }}
{{- if include "yett.confined" . }}
rbac.scope: IngressClasses cannot be read; Ingresses need the annotation kubernetes.io/ingress.class{{ if $c.ingressClassByName }}, or ingressClassName: {{ $c.ingressClass }}{{ else }}, or set controller.ingressClassByName{{ end }}.
{{- end }}
{{- range $key := keys $c | sortAlpha }}
{{- if not (has $key (include "yett.controllerKeys" $ | fromYamlArray)) }}
controller.{{ $key }}: not a key of this chart.
{{- end }}
{{- end }}
{{- end -}}

{{/* The keys under controller that this chart knows; a test compares them with values.yaml. */}}
{{- define "yett.controllerKeys" -}}
[addHeaders, admissionWebhooks, affinity, allowSnippetAnnotations, annotations, autoscaling,
 autoscalingTemplate, config, configAnnotations, configMapNamespace, containerName, containerPort,
 containerSecurityContext, customTemplate, disableLeaderElection, dnsConfig, dnsPolicy, electionID,
 electionTTL, enableAnnotationValidations, enableMimalloc, enableTopologyAwareRouting, existingPsp,
 extraArgs, extraContainers, extraEnvs, extraInitContainers, extraModules, extraVolumeMounts,
 extraVolumes, healthCheckHost, healthCheckPath, hostAliases, hostNetwork, hostPort, hostname, image,
 ingressClass, ingressClassByName, ingressClassResource, keda, kind, labels, lifecycle, livenessProbe,
 maxUnavailable, maxmindLicenseKey, metrics, minAvailable, minReadySeconds, name, networkPolicy,
 nodeSelector, opentelemetry, podAnnotations, podLabels, podSecurityContext, priorityClassName,
 progressDeadlineSeconds, proxySetHeaders, publishService, readinessProbe, replicaCount,
 reportNodeInternalIp, resizePolicy, resources, runtimeClassName, scope, service,
 shareProcessNamespace, startupProbe, sysctls, tcp, terminationGracePeriodSeconds, tolerations,
 topologySpreadConstraints, udp, unhealthyPodEvictionPolicy, updateStrategy, watchIngressWithoutClass]
{{- end -}}
