"""Where an answer behind the gate may differ from that of the service's own authorization, and why."""
from people import id_of


def refused(answer):
    return answer.status in (401, 403, 404) or answer.by_gate


def named(request, field):
    return (request.body or {}).get(field)


EXPLAINED = {}


def because(reason):
    def note(holds):
        EXPLAINED[reason] = holds
        return holds

    return note


MISSING = {id_of(f"{kind} of missing") for kind in ["subnet", "template"]}


@because("what is not there is 404 before anybody is asked for a level or a permission")
def missing(request, guarded, gate):
    gone = request.owner == "missing" or (request.owner == "shared" and ("/branch/" in request.target or "/book/" in request.target))
    return (gone or named(request, "subnet") in MISSING) and guarded.status == 403 and gate.status == 404


@because("who belongs to the organization, or asks for what is shared, is told 403 for what they may not touch; to all others it is a missing route")
def told(request, guarded, gate):
    hides = any(part in request.target for part in ["s/shelf/", "/book/", "/ipam/subnet/"])
    return hides and guarded.status == 404 and gate.status == 403


@because("what is out of sight is 404 for whoever manages nothing, too, where openwisp-ipam asks for a manager first")
def out_of_sight(request, guarded, gate):
    last = request.target.rstrip("/").rpartition("/")[2]
    return last in ("get-next-available-ip", "request-ip", "export") and guarded.status == 403 and gate.status == 404


@because("a PUT that does not say what it refers to is 400 before anybody is asked for a level or a permission")
def put_without(request, guarded, gate):
    is_without = request.method == "PUT" and "/ip-address/" in request.target and named(request, "subnet") is None
    return is_without and guarded.status == 403 and gate.status == 400 and gate.by_gate


@because("what a body refers to is refused before the service is asked, 403 or 404, where a serializer's choices make it 400")
def referred(request, guarded, gate):
    refers = "/ip-address/" in request.target or named(request, "template")
    return refers and guarded.status == 400 and gate.by_gate and gate.status in (403, 404)


@because("stricter: what a body points at is of the same organization, for superusers too, where serializers take what is of any of one's own")
def points_at(request, guarded, gate):
    return "/choose" in request.target and named(request, "template") and guarded.status == 201 and gate.status == 403


@because("a filter's choice that is not one's own finds nothing, where it is 400 there")
def filtered(request, guarded, gate):
    return "/filtered/?" in request.target and guarded.status == 400 and gate.status == 200


@because("stricter: FilterByParent asks for the parent where a list is read, and nothing where something is added to it")
def added_to_a_parent(request, guarded, gate):
    is_child = request.target.endswith(("/book/", "/ip-address/"))
    return request.method == "POST" and is_child and guarded.status in (201, 400) and refused(gate)


@because("stricter: ProtectedAPIMixin and openwisp-ipam's serializers let a body name any organization, or answer 400: here it is 403, before the service is asked")
def body(request, guarded, gate):
    of = named(request, "organization")
    return reads_bodies(request) and of is not None and guarded.status in (200, 201, 400) and gate.status == 403


@because("stricter: a body that names no organization, or null, makes what is shared, and that is not for managers")
def made_shared(request, guarded, gate):
    absent = request.body is not None and named(request, "organization") is None
    return reads_bodies(request) and absent and guarded.status in (200, 201, 400) and gate.status == 403


def reads_bodies(request):
    is_subnet = "/ipam/subnet/" in request.target and request.target.count("/") <= 6
    return "/protected/shelf/" in request.target or "/choose" in request.target or is_subnet


@because("an owner who is no manager (organizations_managed does not have them) counts as one wherever the organization is named")
def owner_alone(request, guarded, gate):
    return request.who == "owner_alone" and not refused(gate) and guarded.status in (200, 403, 404)


@because("who may change sees too: HEAD is answered like GET, and a shared object like any other")
def changes(request, guarded, gate):
    return request.who == "changer" and request.method in ("GET", "HEAD") and guarded.status == 403 and gate.status == 200
