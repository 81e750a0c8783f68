{{- define "asc-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "asc-gateway.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "asc-gateway.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "asc-gateway.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "asc-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "asc-gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "asc-gateway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "asc-gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "asc-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "asc-gateway.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "asc-gateway.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "asc-gateway.tlsSecret" -}}
{{- default (printf "%s-tls" (include "asc-gateway.fullname" .)) .Values.tls.existingSecret }}
{{- end }}

{{/* gateway.yaml: the values' config, with what the chart itself sets. */}}
{{- define "asc-gateway.config" -}}
{{- $own := dict "listen" (dict "rest" (printf "0.0.0.0:%v" .Values.service.ports.rest) "grpc" (printf "0.0.0.0:%v" .Values.service.ports.grpc) "ops" (printf "0.0.0.0:%v" .Values.service.ports.ops)) }}
{{- $_ := set $own "policy" (dict "file" "/etc/asc-gateway/config/policy.yaml") }}
{{- if .Values.tls.enabled }}
{{- $tls := dict "cert_file" "/etc/asc-gateway/tls/tls.crt" "key_file" "/etc/asc-gateway/tls/tls.key" }}
{{- if .Values.tls.clientCASecret }}
{{- $_ := set $tls "client_ca_file" "/etc/asc-gateway/client-ca/ca.crt" }}
{{- $_ := set $tls "require_client_cert" .Values.tls.requireClientCert }}
{{- end }}
{{- $_ := set $own "tls" $tls }}
{{- end }}
{{- if .Values.passthrough.enabled }}
{{- $_ := set $own "passthrough" (dict "listen" (printf "0.0.0.0:%v" .Values.service.ports.passthrough) "public_url" .Values.passthrough.publicURL) }}
{{- end }}
{{- if .Values.redis.url }}
{{- $redis := dict "url" .Values.redis.url "cluster" .Values.redis.cluster }}
{{- if .Values.redis.username }}{{ $_ := set $redis "username" .Values.redis.username }}{{ end }}
{{- if .Values.redis.existingSecret }}{{ $_ := set $redis "password_file" "/etc/asc-gateway/redis/password" }}{{ end }}
{{- $_ := set $own "quota" (dict "redis" $redis) }}
{{- end }}
{{- if .Values.secrets.existingSecret }}
{{- $_ := set $own "secrets" (dict "file" "/etc/asc-gateway/secrets/secrets") }}
{{- else if or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) }}
{{- fail "secrets.existingSecret: several replicas must share one secret, or none takes the page tokens of another: name a Secret, which `gateway secrets rotate FILE` makes the content of" }}
{{- end }}
{{- toYaml (mustMergeOverwrite (deepCopy .Values.config) $own) }}
{{- end }}

{{/* Bytes of resources.limits.memory, "" if there is none. Values are Kubernetes quantities: 512Mi, 1.5G, 536870912, 6e8. */}}
{{- define "asc-gateway.memoryLimit" -}}
{{- $limits := default dict (default dict .Values.resources).limits }}
{{- $limit := default "" $limits.memory }}
{{- if not (kindIs "string" $limit) }}{{ $limit = int64 $limit | toString }}{{ end }}
{{- if $limit }}
{{- if not (regexMatch "^[0-9]+([.][0-9]+)?([mkMGTPE]|[KMGTPE]i|[eE][0-9]+)?$" $limit) }}
{{- fail (printf "resources.limits.memory: %s is no size such as 512Mi" $limit) }}
{{- end }}
{{- $factors := dict "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 }}
{{- $suffix := regexFind "([mkMGTPE]|[KMGTPE]i)$" $limit }}
{{- mulf (trimSuffix $suffix $limit | float64) (default 1.0 (get $factors $suffix)) | int64 }}
{{- end }}
{{- end }}
