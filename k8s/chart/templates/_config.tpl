{{/*
node.toml, written by hand: Helm's `toToml` writes whole numbers as 6.0, which no setting takes.
*/}}

{{/* One value: words are quoted, whole numbers stay whole. */}}
{{- define "strait.toml.value" -}}
{{- if kindIs "slice" . -}}
[{{ range $place, $item := . }}{{ if $place }}, {{ end }}{{ include "strait.toml.value" $item }}{{ end }}]
{{- else if kindIs "string" . -}}
{{ . | toJson }}
{{- else if kindIs "bool" . -}}
{{ . }}
{{- else -}}
{{ int64 . }}
{{- end -}}
{{- end -}}

{{/* The settings that the chart decides, by section. */}}
{{- define "strait.config.fixed" -}}
data_dir: /var/lib/strait/node
metrics_port: 9738
metrics:
  address: 0.0.0.0
api:
  listen: {{ ternary "0.0.0.0:9737" "127.0.0.1:9737" .Values.api.expose }}
  {{- if .Values.api.expose }}
  tls_certificate_file: /etc/strait-tls/tls.crt
  tls_key_file: /etc/strait-tls/tls.key
  {{- if .Values.api.tls.clientCaKey }}
  tls_client_ca_file: /etc/strait-tls/{{ .Values.api.tls.clientCaKey }}
  {{- end }}
  {{- end }}
  {{- if .Values.secrets.apiToken.existingSecret }}
  token_file: /run/strait/api.token
  {{- end }}
{{- if .Values.ship.existingClaim }}
ship:
  folder: /ship
{{- end }}
{{- if .Values.secrets.chainCookie.existingSecret }}
chain:
  cookie_file: /run/strait/cookie
{{- end }}
{{- if or .Values.secrets.seed.existingSecret .Values.secrets.seedPassphrase.existingSecret }}
wallet:
  {{- if .Values.secrets.seed.existingSecret }}
  seed_file: /run/strait/seed
  {{- end }}
  {{- if .Values.secrets.seedPassphrase.existingSecret }}
  seed_passphrase_file: /run/strait/passphrase
  {{- end }}
{{- end }}
{{- end -}}

{{- define "strait.config" -}}
{{- $settings := mustMergeOverwrite (deepCopy .Values.config) (include "strait.config.fixed" . | fromYaml) -}}
# Written by the chart from `config` in its values.
{{- range $key, $value := $settings }}
{{- if not (kindIs "map" $value) }}
{{ $key }} = {{ include "strait.toml.value" $value }}
{{- end }}
{{- end }}
{{- range $section, $values := $settings }}
{{- if kindIs "map" $values }}

[{{ $section }}]
{{- range $key, $value := $values }}
{{ $key }} = {{ include "strait.toml.value" $value }}
{{- end }}
{{- end }}
{{- end }}
{{ end -}}

{{/*
The sources of the volume that the init container copies to /run/strait: the kubelet gives the group read access to a
Secret's files, and the node refuses secrets that others may read.
*/}}
{{- define "strait.secrets" -}}
{{- $files := dict "seed" "seed" "seedPassphrase" "passphrase" "apiToken" "api.token" "chainCookie" "cookie" -}}
{{- range $name, $file := $files -}}
{{- $source := index $.Values.secrets $name -}}
{{- if $source.existingSecret }}
- secret:
    name: {{ $source.existingSecret }}
    items:
      - key: {{ $source.key | quote }}
        path: {{ $file }}
{{- end -}}
{{- end -}}
{{- end -}}
