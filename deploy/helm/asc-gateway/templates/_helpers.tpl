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

{{/* "true" where there can be several replicas. */}}
{{- define "asc-gateway.several" -}}
{{- $most := ternary .Values.autoscaling.maxReplicas .Values.replicaCount .Values.autoscaling.enabled }}
{{- if gt (int $most) 1 }}true{{ end }}
{{- end }}

{{/* "true" where the store is a file of SQLite. */}}
{{- define "asc-gateway.sqlite" -}}
{{- if hasPrefix "sqlite:" .Values.store.url }}true{{ end }}
{{- end }}

{{- define "asc-gateway.storeClaim" -}}
{{- default (printf "%s-store" (include "asc-gateway.fullname" .)) .Values.store.volume.existingClaim }}
{{- end }}

{{/* Ports of a PostgreSQL, as YAML. Its URL may name several hosts. */}}
{{- define "asc-gateway.storePorts" -}}
{{- $hosts := regexReplaceAll "[/?].*$" (regexReplaceAll "^[a-z]+://" .Values.store.url "") "" | splitList "@" | last }}
{{- $ports := list }}
{{- range splitList "," $hosts }}
{{- $ports = append $ports (regexFind ":[0-9]+$" . | trimPrefix ":" | default "5432" | int) }}
{{- end }}
{{- uniq $ports | toYaml }}
{{- end }}

{{/* Fails where the store's values do not fit together. */}}
{{- define "asc-gateway.checkStore" -}}
{{- $store := .Values.store }}
{{- $sqlite := include "asc-gateway.sqlite" . }}
{{- $own := default dict .Values.config.store }}
{{- if or $own.url $own.password_file }}
{{- fail "config.store: the chart itself sets url and password_file: use store.url and store.existingSecret" }}
{{- end }}
{{- if and $sqlite (not (regexMatch "^sqlite:/var/lib/asc-gateway(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$" $store.url)) }}
{{- fail "store.url: want sqlite:/var/lib/asc-gateway/NAME: its volume is mounted there" }}
{{- end }}
{{- if and (not $sqlite) (or $store.volume.size $store.volume.storageClass $store.volume.existingClaim) }}
{{- fail "store.volume: only SQLite has a volume: leave it out, or set store.url to sqlite:/var/lib/asc-gateway/NAME" }}
{{- end }}
{{- if and $store.volume.existingClaim (or $store.volume.size $store.volume.storageClass) }}
{{- fail "store.volume.existingClaim: has a size and a class already: leave size and storageClass out" }}
{{- end }}
{{- if and $store.existingSecret (or $sqlite (not $store.url)) }}
{{- fail "store.existingSecret: only PostgreSQL has a password: set store.url to postgres://…, or leave it out" }}
{{- end }}
{{- if regexMatch "^[a-z]+://[^@]*:[^@]*@|[?&](ssl)?password=" $store.url }}
{{- fail "store.url: holds a password, and would be shown in a ConfigMap: put it into a Secret, store.existingSecret" }}
{{- end }}
{{- if and (not $sqlite) (regexMatch "[?&](host|port)=" $store.url) }}
{{- fail "store.url: want host and port before the database, postgres://USER@HOST:PORT/DATABASE" }}
{{- end }}
{{- if and $store.url (not .Values.secrets.existingSecret) }}
{{- fail "secrets.existingSecret: a store seals what it keeps with it; `gateway secrets rotate FILE` makes one" }}
{{- end }}
{{- if and $sqlite (include "asc-gateway.several" .) }}
{{- fail "store.url: SQLite is for one replica: set replicaCount to 1 and let nothing scale it, or use PostgreSQL" }}
{{- end }}
{{- end }}

{{/* gateway.yaml: the values' config, with what the chart itself sets. */}}
{{- define "asc-gateway.config" -}}
{{- include "asc-gateway.checkStore" . }}
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
{{- else if include "asc-gateway.several" . }}
{{- fail "secrets.existingSecret: several replicas must share one secret, or none takes the page tokens of another: name a Secret, which `gateway secrets rotate FILE` makes the content of" }}
{{- end }}
{{- if .Values.store.url }}
{{- $store := dict "url" .Values.store.url }}
{{- if .Values.store.existingSecret }}{{ $_ := set $store "password_file" "/etc/asc-gateway/store/password" }}{{ end }}
{{- $_ := set $own "store" $store }}
{{- end }}
{{- $all := mustMergeOverwrite (deepCopy .Values.config) $own }}
{{- if and .Values.store.url (include "asc-gateway.several" .) (not (dig "quota" "redis" "url" "" $all)) }}
{{- fail "redis.url: several replicas that share a store share the quota too: name a Redis, or have one replica" }}
{{- end }}
{{- toYaml $all }}
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
