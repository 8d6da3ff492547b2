"""Reads a stream of manifests from standard input, judges each by Kubernetes' own schemas, and prints them as JSON.

    manifests.py VERSION…     a version of Kubernetes, such as 1.34; none judges nothing

Stricter than the API server: a key that is there twice, or that the schema does not know, is an error.
"""

import json
import sys

import yaml


class Strict(yaml.SafeLoader):
    """YAML, where a key is there once."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"twice in one map: {twice} {node.start_mark}")
        return super().construct_mapping(node, deep)


if sys.argv[1:]:
    import kubernetes_validate

objects = [document for document in yaml.load_all(sys.stdin, Strict) if document is not None]
for document in objects:
    # Kinds of the Prometheus operator are not Kubernetes'.
    if "monitoring.coreos.com" in document.get("apiVersion", ""):
        continue
    for version in sys.argv[1:]:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(step) for step in error.path)
            name = document["metadata"]["name"]
            sys.exit(f"{document['kind']} {name}, Kubernetes {version}, {where}: {error.message}")
json.dump(objects, sys.stdout)
