"""Images over HTTP: who sees them, as what they are served, and what caches may keep."""

from io import BytesIO
from pathlib import Path

from PIL import Image

from labelwright.flows import ingest, jobs, people, setup
from tests.media.made import encoded, photo, zipped
from tests.server.conftest import Running


def imported(running: Running, files: dict[str, bytes], tmp_path: Path) -> int:
    ontology = setup.parse_ontology({"questions": [{"kind": "region", "name": "Things", "labels": ["cat"]}]})
    project = setup.create_project(running.bench, running.admin, "Cats", ontology, modality="image")
    path = tmp_path / "images.zip"
    path.write_bytes(zipped(files))
    job = ingest.start_import_of_path(
        running.bench, running.admin, project.id, path, None, None, ingest.ImportOptions()
    )
    assert jobs.wait_for(running.bench, job.id).state == "done"
    return project.id


def test_an_image_is_served_as_what_it_is_and_may_be_kept_for_ever(running: Running, tmp_path: Path) -> None:
    turned = encoded(photo(60, 40), "JPEG", orientation=6)
    project_id = imported(running, {"a/turned.jpg": turned}, tmp_path)
    token = people.make_token(running.bench, running.admin, "t", None)[1]
    headers = {"Authorization": f"Bearer {token}"}
    base = f"/api/projects/{project_id}/assets/1/image"
    for path in (base, f"{base}/preview", f"{base}/thumbnail"):
        status, found, body = running.http("GET", path, headers)
        assert status == 200
        assert found["content-type"] == "image/jpeg"
        assert found["x-content-type-options"] == "nosniff"
        assert "immutable" in found["cache-control"] and "private" in found["cache-control"]
        assert "default-src 'none'" in found["content-security-policy"]
        shown = Image.open(BytesIO(body))
        assert shown.size == (40, 60)
        assert shown.getexif().get(0x0112, 1) == 1
        status, _, body = running.http("GET", path, headers | {"If-None-Match": found["etag"]})
        assert (status, body) == (304, b"")
    status, found, body = running.http("GET", f"{base}/original", headers)
    assert body == turned
    assert (
        found["content-disposition"].startswith("attachment") and "turned.jpg" in found["content-disposition"]
    )
    assert running.http("GET", f"{base}/tiles/0/0/0", headers)[0] == 404


def test_members_see_an_image_and_strangers_find_nothing(running: Running, tmp_path: Path) -> None:
    project_id = imported(running, {"a.png": encoded(photo(8, 8), "PNG")}, tmp_path)
    base = f"/api/projects/{project_id}/assets/1/image"
    paths = [base, *(f"{base}/{each}" for each in ("preview", "thumbnail", "original", "tiles/0/0/0"))]
    stranger, annotator = (people.add_user(running.bench, name) for name in ("eve", "ana"))
    people.set_member(running.bench, running.admin, project_id, annotator.user_id, "annotator")
    for person, wanted in ((stranger, {404}), (annotator, {200, 404})):
        token = people.make_token(running.bench, person, "t", None)[1]
        seen = [running.http("GET", path, {"Authorization": f"Bearer {token}"})[0] for path in paths]
        assert set(seen) == wanted
        assert seen[:4] == [max(wanted) if person is stranger else 200] * 4
    assert {running.http("GET", path)[0] for path in paths} == {401}
