{{/*
What a schema cannot say: values that do not fit together, and secrets where none may stand. A secret is never shown, and hence
names of Secrets are looked at here: a schema would print what does not match.
*/}}
{{- define "graphmail.validate" -}}
{{- $v := .Values }}
{{- $texts := toJson $v }}
{{- if regexMatch `[A-Za-z][A-Za-z0-9+.-]*://[^/"@\s:]*:[^/"@\s]+@` $texts }}
{{- fail "a value holds a URL with a password. Values are stored in the cluster and shown by `helm get values`: put the URL into a Secret, and name that in database.existingSecret, in migrations.existingSecret, or in extraEnv with valueFrom.secretKeyRef" }}
{{- end }}
{{- if regexMatch `-----BEGIN [A-Z ]*PRIVATE KEY` $texts }}
{{- fail "a value holds a private key: put it into a Secret, and name that in credentials.existingSecret" }}
{{- end }}
{{- range $name := list "url" "password" }}
{{- if hasKey $v.database $name }}
{{- fail (printf "database.%s is not a value: put the URL of Postgres into a Secret, and name that in database.existingSecret" $name) }}
{{- end }}
{{- end }}
{{- range $path, $name := dict "database.existingSecret" $v.database.existingSecret "migrations.existingSecret" $v.migrations.existingSecret "receiver.database.existingSecret" $v.receiver.database.existingSecret "credentials.existingSecret" $v.credentials.existingSecret }}
{{- if and $name (not (regexMatch "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$" $name)) }}
{{- fail (printf "%s is not the name of a Secret (lower-case letters, digits, dashes and dots): make the Secret first, and give its name" $path) }}
{{- end }}
{{- end }}
{{- range concat $v.extraEnv $v.receiver.extraEnv }}
{{- if and (has .name (list "GRAPHMAIL_DATABASE_URL" "GRAPHMAIL_DATABASE_DIRECT_URL")) .value }}
{{- fail (printf "extraEnv holds %s as a value, which is a secret: use database.existingSecret" .name) }}
{{- end }}
{{- end }}

{{- if and $v.database.existingSecret (not $v.product.applicationURL) }}
{{- fail "product.applicationURL is empty: with database.existingSecret it must be the https URL of the product that Graph can reach" }}
{{- end }}
{{- if and $v.receiver.enabled (not $v.receiver.url) }}
{{- fail "receiver.url is empty: with receiver.enabled it must be the https URL at which Graph reaches the receiver" }}
{{- end }}
{{- if and $v.receiver.enabled (eq (int $v.receiver.port) (int $v.metrics.port)) }}
{{- fail (printf "receiver.port is %s: metrics.port is the same, and each needs its own" (include "graphmail.text" $v.receiver.port)) }}
{{- end }}
{{- if and $v.database.directKey (not $v.database.existingSecret) }}
{{- fail "database.directKey is a key of database.existingSecret, which is empty: name the Secret" }}
{{- end }}
{{- if ge (float64 $v.renewal.lookAheadMinutes) (float64 $v.renewal.lifetimeMinutes) }}
{{- fail (printf "renewal.lookAheadMinutes is %s: allowed is less than renewal.lifetimeMinutes, which is %s" (include "graphmail.text" $v.renewal.lookAheadMinutes) (include "graphmail.text" $v.renewal.lifetimeMinutes)) }}
{{- end }}
{{- range $tenant, $minutes := $v.renewal.tenantLookAheadMinutes }}
{{- if ge (float64 $minutes) (float64 $v.renewal.lifetimeMinutes) }}
{{- fail (printf "renewal.tenantLookAheadMinutes is %s for tenant %s: allowed is less than renewal.lifetimeMinutes, which is %s" (include "graphmail.text" $minutes) $tenant (include "graphmail.text" $v.renewal.lifetimeMinutes)) }}
{{- end }}
{{- end }}
{{- if gt (addf (divf 60 $v.mirror.pollSeconds) (divf 60 $v.mirror.compareSeconds)) 30.0 }}
{{- fail (printf "mirror.pollSeconds is %s and mirror.compareSeconds is %s: allowed is at most 30 queries a minute from both" (include "graphmail.text" $v.mirror.pollSeconds) (include "graphmail.text" $v.mirror.compareSeconds)) }}
{{- end }}
{{- range list "writes" "reauthorize" "reads" "lists" }}
{{- $app := index $v.microsoft.quota (printf "%sPerApp" .) }}
{{- $tenant := index $v.microsoft.quota (printf "%sPerTenant" .) }}
{{- if gt (float64 $tenant) (float64 $app) }}
{{- fail (printf "microsoft.quota.%sPerTenant is %s: allowed is at most %sPerApp, which is %s" . (include "graphmail.text" $tenant) . (include "graphmail.text" $app)) }}
{{- end }}
{{- end }}
{{- if and (not $v.leaderElection.enabled) (gt (int $v.replicas) 1) }}
{{- fail (printf "leaderElection.enabled is false and replicas is %s: without election every pod acts, so set replicas to 1" (include "graphmail.text" $v.replicas)) }}
{{- end }}
{{- if and $v.metrics.serviceMonitor.enabled (not $v.metrics.service.enabled) }}
{{- fail "metrics.serviceMonitor.enabled needs metrics.service.enabled: a ServiceMonitor finds the pods by their Service" }}
{{- end }}
{{- with $v.workloadIdentity }}
{{- if and .enabled (not .webhook) (not (and .clientID .tenantID)) }}
{{- fail "workloadIdentity.webhook is false: clientID and tenantID must be set, since no webhook gives them to the pod" }}
{{- end }}
{{- end }}
{{- end }}
