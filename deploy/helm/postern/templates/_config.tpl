{{/* postern.yaml: the values' `config`, with what follows from the other values. */}}
{{- define "postern.config" -}}
{{- $loopback := ternary "0.0.0.0" "127.0.0.1" .Values.metrics.enabled }}
{{- $own := dict
      "listen" (printf "0.0.0.0:%v" .Values.ports.http)
      "management" (printf "%s:%v" $loopback .Values.ports.metrics)
      "probes" (printf "0.0.0.0:%v" .Values.ports.probes)
      "policy" (list "routes.yaml")
      "drain" (dict
        "lame_duck" (printf "%vs" (ternary 0 .Values.drain.lameDuckSeconds (eq .Values.mode "sidecar")))
        "limit" (printf "%vs" .Values.drain.limitSeconds)) }}
{{- $secrets := dict }}
{{- range $name, $_ := .Values.secrets }}
{{- $_ := set $secrets $name (dict "file" (printf "/run/secrets/postern/%s" $name)) }}
{{- end }}
{{- if $secrets }}{{ $_ := set $own "secrets" $secrets }}{{ end }}
{{- range $key, $_ := $own }}
{{- if hasKey $.Values.config $key }}{{ fail (printf "config.%s follows from other values: leave it out" $key) }}{{ end }}
{{- end }}
{{- if not .Values.config.upstreams }}{{ $_ := set $own "upstreams" (dict "service" .Values.upstream) }}{{ end }}
{{- toYaml (merge $own .Values.config) }}
{{- end }}
