{{/*
What a schema cannot say: values that do not fit together, and secrets where none may stand. A secret is never shown, and hence
names of Secrets are looked at here: a schema would print what does not match.
*/}}
{{- define "graphmail.validate" -}}
{{- $v := .Values }}
{{- /* Kubernetes puts the value of a variable that stands before in the place of $(NAME), which hence shows nothing. */}}
{{- $reference := `\$\([-._a-zA-Z][-._a-zA-Z0-9]*\)` }}
{{- $without := omit $v "extraEnv" "extraInitContainers" "extraContainers" "migrations" "extraObjects" | toJson }}
{{- $texts := printf "%s %s" $without (regexReplaceAllLiteral $reference (toJson $v) "") }}
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
{{- range concat ($v.extraEnv | default list) ($v.receiver.extraEnv | default list) }}
{{- $text := regexReplaceAllLiteral $reference (.value | default "" | toString) "" }}
{{- if and (has .name (list "GRAPHMAIL_DATABASE_URL" "GRAPHMAIL_DATABASE_DIRECT_URL")) (or (not (regexMatch `^(postgres(ql)?://\S*)?$` $text)) (regexMatch `(?i)password=[^&]` $text)) }}
{{- fail (printf "extraEnv holds %s as a value that is, or may have, a secret: use database.existingSecret, or take the password from a variable with valueFrom.secretKeyRef that stands before it: postgresql://user:$(PASSWORD)@host/database" .name) }}
{{- end }}
{{- end }}

{{- $values := .Files.Get "files/variables.json" | fromJson }}
{{- include "graphmail.refuseTwice" (list "extraEnv" $v.extraEnv (include "graphmail.variables" .) $values) }}
{{- $_ := set $values "GRAPHMAIL_DATABASE_URL" "receiver.database.existingSecret" }}
{{- include "graphmail.refuseTwice" (list "receiver.extraEnv" $v.receiver.extraEnv (include "graphmail.receiverVariables" .) $values) }}
{{- $others := list }}
{{- range $v.extraEnv }}{{ $others = append $others .name }}{{ end }}

{{- if and (eq (include "graphmail.hasDatabase" .) "yes") (not (or $v.product.applicationURL (has "APPLICATION_URL" $others))) }}
{{- fail "product.applicationURL is empty: with a database it must be the https URL of the product that Graph can reach" }}
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

{{/*
A variable that a container would have twice: a list of the value that names more of them, these, those that the chart sets, and by which
value each is set.
*/}}
{{- define "graphmail.refuseTwice" -}}
{{- $path := index . 0 }}
{{- $values := index . 3 }}
{{- $set := list }}
{{- range index . 2 | fromYamlArray }}{{ $set = append $set .name }}{{ end }}
{{- $others := list }}
{{- range index . 1 }}
{{- if has .name $set }}
{{- fail (printf "%s holds %s, which the chart sets already: use the value %s" $path .name (index $values .name)) }}
{{- end }}
{{- if has .name $others }}
{{- fail (printf "%s holds %s twice: leave one of them" $path .name) }}
{{- end }}
{{- $others = append $others .name }}
{{- end }}
{{- end }}
