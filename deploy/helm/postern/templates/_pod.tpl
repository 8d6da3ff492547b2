{{/* The container, without what only one of its places takes. */}}
{{- define "postern.container" -}}
name: postern
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
ports:
  - { name: http, containerPort: {{ .Values.ports.http }} }
  {{- if .Values.metrics.enabled }}
  - { name: metrics, containerPort: {{ .Values.ports.metrics }} }
  {{- end }}
  - { name: probes, containerPort: {{ .Values.ports.probes }} }
{{- with .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
startupProbe:
  httpGet: { path: /readyz, port: probes }
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  httpGet: { path: /readyz, port: probes }
  periodSeconds: 2
  failureThreshold: 2
livenessProbe:
  httpGet: { path: /livez, port: probes }
  periodSeconds: 10
  timeoutSeconds: 3
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
  seccompProfile: { type: RuntimeDefault }
volumeMounts:
  # Directories, never `subPath`: only a directory follows a changed ConfigMap or Secret.
  - { name: postern-config, mountPath: /etc/postern, readOnly: true }
  - { name: postern-data, mountPath: /var/lib/postern }
  {{- if .Values.secrets }}
  - { name: postern-secrets, mountPath: /run/secrets/postern, readOnly: true }
  {{- end }}
{{- end }}

{{/* A native sidecar, for `initContainers` of a parent chart's Pod: include "postern.sidecar" .Subcharts.postern */}}
{{- define "postern.sidecar" -}}
{{ include "postern.container" . }}
restartPolicy: Always
{{- end }}

{{/* Its volumes, for the same Pod. The Pod needs `securityContext: { fsGroup: 65532 }`. */}}
{{- define "postern.volumes" -}}
- name: postern-config
  projected:
    sources:
      - configMap: { name: {{ include "postern.name" . }} }
      - configMap: { name: {{ include "postern.name" . }}-routes }
- name: postern-data
  {{- if .Values.persistence.enabled }}
  persistentVolumeClaim: { claimName: {{ .Values.persistence.existingClaim | default (include "postern.name" .) }} }
  {{- else }}
  emptyDir: { sizeLimit: 1Gi }
  {{- end }}
{{- if .Values.secrets }}
- name: postern-secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range $name, $from := .Values.secrets }}
      - secret:
          name: {{ $from.secretName }}
          items: [{ key: {{ $from.key }}, path: {{ $name }} }]
      {{- end }}
{{- end }}
{{- end }}

{{/* Changes with postern.yaml, which is read at the start; the policy is not in it. */}}
{{- define "postern.checksum" -}}
{{ include "postern.config" . | sha256sum }}
{{- end }}
