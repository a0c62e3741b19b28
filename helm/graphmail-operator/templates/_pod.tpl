{{/* What the pods of the operator and of its test have in common. */}}
{{- define "graphmail.pod" -}}
serviceAccountName: {{ include "graphmail.serviceAccountName" . }}
automountServiceAccountToken: true
{{ include "graphmail.placement" . }}
{{- with .Values.extraInitContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {}
  {{- with .Values.credentials.existingSecret }}
  - name: credentials
    secret:
      secretName: {{ . }}
      defaultMode: 0440
  {{- end }}
  {{- with .Values.caBundle }}
  {{- if .configMap }}
  - name: ca
    configMap:
      name: {{ .configMap }}
      items:
        - key: {{ .key | quote }}
          path: {{ .key | quote }}
  {{- end }}
  {{- end }}
  {{- with .Values.workloadIdentity }}
  {{- if and .enabled (not .webhook) }}
  - name: workload-identity
    projected:
      sources:
        - serviceAccountToken:
            audience: api://AzureADTokenExchange
            expirationSeconds: 3600
            path: token
  {{- end }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Where a pod runs, and with which rights on its node. */}}
{{- define "graphmail.placement" -}}
enableServiceLinks: false
{{- with concat (.Values.imagePullSecrets | default list) ((.Values.global).imagePullSecrets | default list) }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraPodSpec }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where a pod beside the operator runs, from the root and what it has of its own: the same nodes. What `affinity` says of other pods is meant
for the operator: two nodes with one each would leave none to the job. */}}
{{- define "graphmail.affinity" -}}
{{- with default (pick ((index . 0).Values.affinity | default dict) "nodeAffinity") (index . 1) }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The container that works as the operator does, without its arguments, ports and probes. */}}
{{- define "graphmail.container" -}}
{{ include "graphmail.program" . }}
env:
  {{- include "graphmail.env" . | trim | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- with .Values.credentials }}
  {{- if .existingSecret }}
  - name: credentials
    mountPath: {{ .mountPath | quote }}
    readOnly: true
  {{- end }}
  {{- end }}
  {{- if .Values.caBundle.configMap }}
  - name: ca
    mountPath: /etc/graphmail/ca
    readOnly: true
  {{- end }}
  {{- with .Values.workloadIdentity }}
  {{- if and .enabled (not .webhook) }}
  - name: workload-identity
    mountPath: /var/run/secrets/graphmail/workload-identity
    readOnly: true
  {{- end }}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "graphmail.program" -}}
image: {{ include "graphmail.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
