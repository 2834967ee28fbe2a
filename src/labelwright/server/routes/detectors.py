"""Detectors of this installation, and their runs."""

from pydantic import Field

from labelwright.core.detector import MAX_SPEC_CHARACTERS, Detector
from labelwright.core.predictor import Run
from labelwright.core.value import Value
from labelwright.flows import detectors
from labelwright.server.edge import Bench, SignedIn, new_router

router = new_router()


class NewDetector(Value):
    """An uploaded ONNX file and its description, as YAML or JSON."""

    upload_id: str = Field(max_length=100)
    spec: str = Field(max_length=MAX_SPEC_CHARACTERS)


class DetectorRun(Value):
    """A wanted run of a detector.

    Attributes:
        question: Id or name of the question to answer; empty for the only one that fits.
        images: How many at most; null for all that are left.
    """

    detector_id: int
    question: str = Field(default="", max_length=200)
    images: int | None = Field(default=None, ge=1, le=detectors.MOST_IMAGES)


@router.get("/detectors")
def list_detectors(actor: SignedIn, bench: Bench) -> list[Detector]:
    """All detectors, by name."""
    return detectors.list_detectors(bench, actor)


@router.post("/detectors", status_code=201)
def add_detector(actor: SignedIn, bench: Bench, body: NewDetector) -> Detector:
    """Add a detector from an upload; it is loaded and tried on a grey picture first. Administrators only."""
    return detectors.add_upload(bench, actor, body.upload_id, body.spec)


@router.delete("/detectors/{detector_id}", status_code=204)
def remove_detector(detector_id: int, actor: SignedIn, bench: Bench) -> None:
    """Take a detector out of use; what it predicted stays. Administrators only."""
    detectors.remove_detector(bench, actor, detector_id)


@router.get("/projects/{project_id}/detectors")
def detector_uses(project_id: int, actor: SignedIn, bench: Bench) -> list[detectors.Use]:
    """What each detector could answer here: its classes, and the labels they become."""
    return detectors.uses(bench, actor, project_id)


@router.post("/projects/{project_id}/detector-runs", status_code=201)
def start_detector_run(project_id: int, actor: SignedIn, bench: Bench, body: DetectorRun) -> Run:
    """Run a detector over the next images that nobody and no run has covered."""
    return detectors.start_run(
        bench, actor, project_id, body.detector_id, question=body.question, images=body.images
    )
