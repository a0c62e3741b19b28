{{/*
The one place where values become variables of the operator. Each value is left out while it is null or empty; 0 and false are values.
A list is parted by commas, and a map too, as key=value.
*/}}
{{- define "graphmail.settings" -}}
{{- $v := .Values }}
{{- $q := $v.microsoft.quota }}
{{- $host := ternary (printf "[%s]" $v.metrics.host) $v.metrics.host (contains ":" $v.metrics.host) }}
{{- $settings := dict
  "GRAPHMAIL_NAMESPACE" (include "graphmail.namespace" .)
  "GRAPHMAIL_MODE" $v.mode
  "APPLICATION_URL" $v.product.applicationURL
  "GRAPHMAIL_WEBHOOK_PATH" $v.product.webhookPath
  "GRAPHMAIL_TENANTS" $v.product.tenants
  "GRAPHMAIL_MULTI_FOLDER" $v.product.multiFolder
  "GRAPHMAIL_RESPECT_POLLING" $v.product.respectPolling
  "GRAPHMAIL_PAUSE_INBOUND" $v.product.pauseInbound
  "GRAPHMAIL_EVENTS_KEPT_DAYS" $v.product.eventsKeptDays
  "MICROSOFT_GRAPH_BASE_URL" $v.microsoft.graphBaseURL
  "MICROSOFT_LOGIN_BASE_URL" $v.microsoft.loginBaseURL
  "GRAPHMAIL_GRAPH_CONNECTIONS" $v.microsoft.connections
  "GRAPHMAIL_QUOTA_WRITES_PER_APP" $q.writesPerApp
  "GRAPHMAIL_QUOTA_WRITES_PER_TENANT" $q.writesPerTenant
  "GRAPHMAIL_QUOTA_REAUTHORIZE_PER_APP" $q.reauthorizePerApp
  "GRAPHMAIL_QUOTA_REAUTHORIZE_PER_TENANT" $q.reauthorizePerTenant
  "GRAPHMAIL_QUOTA_READS_PER_APP" $q.readsPerApp
  "GRAPHMAIL_QUOTA_READS_PER_TENANT" $q.readsPerTenant
  "GRAPHMAIL_QUOTA_LISTS_PER_APP" $q.listsPerApp
  "GRAPHMAIL_QUOTA_LISTS_PER_TENANT" $q.listsPerTenant
  "MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES" $v.renewal.lookAheadMinutes
  "MICROSOFT_EMAIL_RENEWAL_FAILURE_THRESHOLD" $v.renewal.failureThreshold
  "MICROSOFT_EMAIL_RENEWAL_BATCH_SIZE" $v.renewal.batchSize
  "GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES" $v.renewal.tenantLookAheadMinutes
  "GRAPHMAIL_LIFETIME_MINUTES" $v.renewal.lifetimeMinutes
  "GRAPHMAIL_RENEWAL_INTERVAL_MINUTES" $v.renewal.intervalMinutes
  "GRAPHMAIL_TICK_SECONDS" $v.renewal.tickSeconds
  "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES" $v.renewal.verificationIntervalMinutes
  "GRAPHMAIL_ABANDON_AFTER_MINUTES" $v.renewal.abandonAfterMinutes
  "GRAPHMAIL_SILENCE_CHECK" $v.silence.check
  "GRAPHMAIL_DELIVERY_ALLOWANCE_MINUTES" $v.silence.deliveryAllowanceMinutes
  "GRAPHMAIL_MIRROR_POLL_SECONDS" $v.mirror.pollSeconds
  "GRAPHMAIL_MIRROR_COMPARE_SECONDS" $v.mirror.compareSeconds
  "GRAPHMAIL_MIRROR_NOTIFY" $v.mirror.notify
  "GRAPHMAIL_SWEEP_INTERVAL_HOURS" $v.sweep.intervalHours
  "GRAPHMAIL_SWEEP_GRACE_MINUTES" $v.sweep.graceMinutes
  "GRAPHMAIL_INSTALLATION" $v.installation
  "GRAPHMAIL_LEADER_ELECTION" $v.leaderElection.enabled
  "GRAPHMAIL_LEASE_SECONDS" $v.leaderElection.leaseSeconds
  "GRAPHMAIL_METRICS_URL" (printf "http://%s:%s/metrics" $host (include "graphmail.text" $v.metrics.port))
  "GRAPHMAIL_METRICS_PER_MAILBOX" $v.metrics.perMailbox
  "GRAPHMAIL_LOG_FORMAT" $v.log.format
  "GRAPHMAIL_LOG_LEVEL" $v.log.level
  "HTTPS_PROXY" $v.proxy.httpsProxy
  "NO_PROXY" $v.proxy.noProxy
}}
{{- if $v.receiver.enabled }}
{{- $_ := set $settings "GRAPHMAIL_RECEIVER_URL" $v.receiver.url }}
{{- $_ := set $settings "GRAPHMAIL_RECEIVER_FORWARD_URL" $v.receiver.forwardURL }}
{{- end }}
{{- if $v.credentials.existingSecret }}
{{- $_ := set $settings "GRAPHMAIL_CREDENTIALS_DIR" $v.credentials.mountPath }}
{{- end }}
{{- if $v.caBundle.configMap }}
{{- $_ := set $settings "SSL_CERT_FILE" (printf "/etc/graphmail/ca/%s" $v.caBundle.key) }}
{{- end }}
{{- with $v.workloadIdentity }}
{{- if .enabled }}
{{- $_ := set $settings "AZURE_CLIENT_ID" .clientID }}
{{- $_ := set $settings "AZURE_TENANT_ID" .tenantID }}
{{- $_ := set $settings "AZURE_AUTHORITY_HOST" .authorityHost }}
{{- if not .webhook }}
{{- $_ := set $settings "AZURE_FEDERATED_TOKEN_FILE" "/var/run/secrets/graphmail/workload-identity/token" }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{/* A value as the text of a variable: large numbers without exponent. */}}
{{- define "graphmail.text" -}}
{{- if kindIs "slice" . }}{{ join "," . }}
{{- else if kindIs "map" . }}
{{- $pairs := list }}
{{- range $key, $value := . }}{{ $pairs = append $pairs (printf "%s=%s" $key (include "graphmail.text" $value)) }}{{ end }}
{{- join "," $pairs }}
{{- else if not (kindIs "float64" .) }}{{ . }}
{{- else if eq (floor .) . }}{{ int64 . }}
{{- else }}{{ . }}
{{- end }}
{{- end }}

{{/*
Whether there is a database whose rows are mirrored: yes; perhaps, where what extraEnvFrom names may hold its URL; else nothing.
*/}}
{{- define "graphmail.hasDatabase" -}}
{{- $names := list }}
{{- range .Values.extraEnv }}{{ $names = append $names .name }}{{ end }}
{{- if or .Values.database.existingSecret (has "GRAPHMAIL_DATABASE_URL" $names) -}}
yes
{{- else if .Values.extraEnvFrom -}}
perhaps
{{- end }}
{{- end }}

{{/* The variables of a container that works as the operator does. */}}
{{- define "graphmail.env" -}}
{{- include "graphmail.variables" . }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Those of them that the chart sets by itself. */}}
{{- define "graphmail.variables" -}}
{{- with .Values.database }}
{{- if .existingSecret }}
{{- include "graphmail.secretVariable" (list "GRAPHMAIL_DATABASE_URL" .existingSecret .key) }}
{{- if .directKey }}
{{ include "graphmail.secretVariable" (list "GRAPHMAIL_DATABASE_DIRECT_URL" .existingSecret .directKey) }}
{{- end }}
{{- end }}
{{- end }}
{{- include "graphmail.valued" (include "graphmail.settings" . | fromYaml) }}
{{- end }}

{{/* The variables of the receiver's container: what it reads, and no more. */}}
{{- define "graphmail.receiverEnv" -}}
{{- include "graphmail.receiverVariables" . }}
{{- with .Values.receiver.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Those of them that the chart sets by itself. */}}
{{- define "graphmail.receiverVariables" -}}
{{- $v := .Values }}
{{- with $v.receiver.database }}
{{- if .existingSecret }}
{{- include "graphmail.secretVariable" (list "GRAPHMAIL_DATABASE_URL" .existingSecret .key) }}
{{- end }}
{{- end }}
{{- $all := include "graphmail.settings" . | fromYaml }}
{{- $own := dict
  "GRAPHMAIL_RECEIVER_ADDRESS" (printf "%s:%s" (ternary (printf "[%s]" $v.metrics.host) $v.metrics.host (contains ":" $v.metrics.host)) (include "graphmail.text" $v.receiver.port))
  "GRAPHMAIL_RECEIVER_FORWARDS" $v.receiver.forwards
  "GRAPHMAIL_RECEIVER_BATCH_SECONDS" $v.receiver.batchSeconds
}}
{{- range $name := list "GRAPHMAIL_NAMESPACE" "GRAPHMAIL_RECEIVER_URL" "GRAPHMAIL_RECEIVER_FORWARD_URL" "GRAPHMAIL_METRICS_URL" "GRAPHMAIL_LOG_FORMAT" "GRAPHMAIL_LOG_LEVEL" "SSL_CERT_FILE" }}
{{- if hasKey $all $name }}{{ $_ := set $own $name (get $all $name) }}{{ end }}
{{- end }}
{{- include "graphmail.valued" $own }}
{{- end }}

{{/* Variables of a dict: those that have a value. */}}
{{- define "graphmail.valued" -}}
{{- range $name, $value := . }}
{{- $text := "" }}
{{- if not (kindIs "invalid" $value) }}{{ $text = include "graphmail.text" $value }}{{ end }}
{{- if $text }}
- name: {{ $name }}
  value: {{ $text | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "graphmail.secretVariable" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 }}
      key: {{ index . 2 | quote }}
{{- end }}
