"""Whom the requests come from, and what there is: the same for the service and for whoever asks it."""
import uuid

# Each has one owner at most. `closed` is disabled.
ORGANIZATIONS = ["acme", "bolt", "delta", "closed"]

# Their organizations, and whether they have the models' permissions: all of them, those to view, or none.
PEOPLE = {
    "root": ({}, "superuser"),
    "manager": ({"acme": "manager"}, "all"),
    "unpermitted": ({"acme": "manager"}, "none"),
    "viewer": ({"acme": "manager"}, "view"),
    "changer": ({"acme": "manager"}, "change"),
    "member": ({"acme": "member"}, "all"),
    "owner": ({"acme": "owner"}, "all"),
    "owner_alone": ({"delta": "owner alone"}, "all"),
    "both": ({"acme": "manager", "bolt": "member"}, "all"),
    "other": ({"bolt": "manager"}, "all"),
    "nobody_s": ({}, "all"),
    "of_closed": ({"closed": "owner"}, "all"),
    "inactive": ({"acme": "manager"}, "all"),
}


def id_of(name):
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.example"))


def token_of(name):
    return uuid.uuid5(uuid.NAMESPACE_URL, name).hex + "abcdef01"
