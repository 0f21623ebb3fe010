{{- define "groundswell.fullname" -}}
{{- if contains "groundswell" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-groundswell{{ end }}
{{- end }}

{{- define "groundswell.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "groundswell.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "groundswell.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "groundswell.secret" -}}
{{ .Values.secrets.existing | default (include "groundswell.fullname" .) }}
{{- end }}

{{/* [server], [kafka], [database], [caster] and [relay] of all processes but the gatherers. */}}
{{- define "groundswell.shared" -}}
[server]
http = "0.0.0.0:8080"
ntrip = "0.0.0.0:2101"
data = "/data"
write_token = "env:WRITE_TOKEN"
{{- if .Values.serve.sessionKey }}
session_key = "env:SESSION_KEY"
{{- end }}

{{- if .Values.archive.enabled }}

[archive]
url = "http://{{ include "groundswell.fullname" . }}-archive:9109"
secret = "env:RELAY_SECRET"
days = {{ .Values.archive.days }}
{{- end }}

[kafka]
servers = {{ required "kafka.servers is missing: write host:port of your brokers" .Values.kafka.servers | quote }}
prefix = {{ .Values.kafka.prefix | quote }}
{{ .Values.kafka.security }}

[database]
url = "env:DATABASE_URL"

[caster.users]
{{- range $name, $password := .Values.rovers }}
{{ $name | quote }} = {{ $password | quote }}
{{- end }}

[relay]
secret = "env:RELAY_SECRET"
follow = [
{{- range .Values.gatherers }}
  "{{ include "groundswell.fullname" $ }}-gather-{{ .name }}:2110",
{{- end }}
]
{{- if .Values.relayTls.existing }}
ca_file = "/etc/groundswell/tls/ca.crt"
{{- end }}
{{ .Values.regions }}
{{ .Values.things }}
{{- range .Values.gatherers }}
{{ .stations }}
{{- end }}
{{- end }}

{{/* The file of one gatherer; `gatherer` is its entry. */}}
{{- define "groundswell.gatherer" -}}
[server]
ntrip = "127.0.0.1:2101"
data = "/data"

[archive]
gathered_days = {{ .root.Values.gather.archiveDays }}

[kafka]
servers = {{ .root.Values.kafka.servers | quote }}
prefix = {{ .root.Values.kafka.prefix | quote }}
spool_gb = {{ .root.Values.kafka.spoolGb }}
{{ .root.Values.kafka.security }}

[relay]
secret = "env:RELAY_SECRET"
listen = "0.0.0.0:2110"
{{- if .root.Values.relayTls.existing }}
certificate = "/etc/groundswell/tls/tls.crt"
key = "/etc/groundswell/tls/tls.key"
{{- end }}
{{ .root.Values.regions }}
{{ .root.Values.things }}
{{ .gatherer.stations }}
{{ .gatherer.brokers }}
{{- end }}

{{/* Files of certificates, where Kafka is spoken to over TLS. */}}
{{- define "groundswell.kafkaMount" -}}
{{- if .Values.kafka.secret }}
- {name: kafka, mountPath: /etc/groundswell/kafka, readOnly: true}
{{- end }}
{{- end }}

{{- define "groundswell.kafkaVolume" -}}
{{- with .Values.kafka.secret }}
- {name: kafka, secret: {secretName: {{ . | quote }}}}
{{- end }}
{{- end }}

{{- define "groundswell.pod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
automountServiceAccountToken: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "groundswell.container" -}}
image: {{ include "groundswell.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
envFrom:
  - secretRef: {name: {{ include "groundswell.secret" . | quote }}}
{{- end }}

{{/* A first start compiles kernels for a minute and more, on a busy machine for several. */}}
{{- define "groundswell.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: watch}
  periodSeconds: 5
  failureThreshold: 120
livenessProbe:
  httpGet: {path: /healthz, port: watch}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{- define "groundswell.readiness" -}}
readinessProbe:
  httpGet: {path: /readyz, port: watch}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{/* Others than a pod's own node, if there are any. */}}
{{- define "groundswell.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "groundswell.selector" . | nindent 8 }}
{{- end }}
