{{/* Names and labels. A release's name is the node's name, so two releases are two nodes. */}}

{{- define "strait.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough for the suffixes that the chart and the StatefulSet's controller add. */}}
{{- define "strait.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "strait.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the release's pods: may never change. */}}
{{- define "strait.release" -}}
app.kubernetes.io/name: {{ include "strait.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What selects the node's one pod. */}}
{{- define "strait.selector" -}}
{{ include "strait.release" . }}
app.kubernetes.io/component: node
{{- end -}}

{{/* Labels of every object, without the component. */}}
{{- define "strait.labels" -}}
{{ include "strait.release" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "strait.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The claim that the StatefulSet makes for its only pod. */}}
{{- define "strait.claim" -}}
data-{{ include "strait.fullname" . }}-0
{{- end -}}

{{- define "strait.backup.claim" -}}
{{- .Values.backup.existingClaim | default (printf "%s-backup" (include "strait.fullname" .)) -}}
{{- end -}}
