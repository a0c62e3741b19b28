{{/* The chart's name, which every resource has as app.kubernetes.io/name. */}}
{{- define "graphmail.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of the resources. 63 characters, as some names must be fit for DNS. */}}
{{- define "graphmail.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* The same with something behind it: a list of the context and what stands behind. */}}
{{- define "graphmail.suffixed" -}}
{{- $context := index . 0 }}
{{- printf "%s-%s" (include "graphmail.fullname" $context | trunc 51 | trimSuffix "-") (index . 1) }}
{{- end }}

{{- define "graphmail.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "graphmail.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "graphmail.labels" -}}
helm.sh/chart: {{ include "graphmail.chart" . }}
{{ include "graphmail.selectorLabels" . }}
{{- if .Chart.AppVersion }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: graphmail-operator
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "graphmail.selectorLabels" -}}
app.kubernetes.io/name: {{ include "graphmail.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What selects the operator's pods, and no pod of a job or a test. */}}
{{- define "graphmail.operatorLabels" -}}
{{ include "graphmail.selectorLabels" . }}
app.kubernetes.io/component: operator
{{- end }}

{{/* What selects the receiver's pods. */}}
{{- define "graphmail.receiverLabels" -}}
{{ include "graphmail.selectorLabels" . }}
app.kubernetes.io/component: receiver
{{- end }}

{{- define "graphmail.receiverName" -}}
{{- include "graphmail.suffixed" (list . "receiver") }}
{{- end }}

{{- define "graphmail.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "graphmail.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Where a digest is set, the tag does not count. */}}
{{- define "graphmail.image" -}}
{{- with .Values.image }}
{{- with .registry | default ($.Values.global).imageRegistry }}{{ . | trimSuffix "/" }}/{{ end }}{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}
