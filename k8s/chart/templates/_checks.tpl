{{/* What the schema cannot see: settings that only together are wrong. */}}
{{- define "strait.checks" -}}
{{- if and .Values.api.expose (not .Values.api.tls.existingSecret) -}}
{{- fail "api.expose needs api.tls.existingSecret: the token would cross the network in the clear" -}}
{{- end -}}
{{- if and .Values.backup.enabled (eq .Values.persistence.accessMode "ReadWriteOncePod") -}}
{{- fail "persistence.accessMode ReadWriteOncePod lets no backup read the volume: choose ReadWriteOnce, or backup.enabled=false and another way to back up" -}}
{{- end -}}
{{- if eq .Values.config.chain.network "mainnet" -}}
{{- if not .Values.backup.enabled -}}
{{- fail "a node on mainnet needs its backup: backup.enabled is false" -}}
{{- end -}}
{{- if not .Values.backup.recipient -}}
{{- fail "a node on mainnet encrypts its backups: set backup.recipient to an age recipient (age1…)" -}}
{{- end -}}
{{- end -}}
{{- end -}}
