"""Drawing on images in a real browser: with the mouse, with keys alone, and with thousands of objects."""

import math
from typing import Any

import pytest

from labelwright.core.answer import Answers, ChoiceAnswer, Region, RegionAnswer
from labelwright.core.geometry import bounds
from labelwright.core.mask import decode
from labelwright.core.ontology import Attribute, ChoiceQuestion, Label, Ontology, RegionQuestion
from labelwright.core.shape import Box, Mask, Polygon
from tests import factories
from tests.journeys.conftest import Served, axe, until
from tests.journeys.house import House
from tests.media.made import encoded, photo

COLOUR = Attribute(id="colour", name="Colour", options=("red", "blue"), required=True)
STREET = Ontology(
    questions=(
        RegionQuestion(
            id="things",
            name="Things",
            shapes=("box", "polygon", "mask"),
            labels=(
                Label(id="car", name="Car", attributes=(COLOUR,)),
                Label(id="tree", name="Tree"),
                Label(id="road", name="Road"),
            ),
        ),
        ChoiceQuestion(
            id="weather",
            name="Weather",
            labels=(Label(id="sun", name="Sunny"), Label(id="rain", name="Rainy")),
        ),
    )
)


@pytest.fixture
def house(served: Served) -> House:
    """The data behind the page."""
    return House(served)


def png(seed: int, width: int = 400, height: int = 300) -> bytes:
    return encoded(photo(width, height, seed), "PNG")


class Canvas:
    """Places on the image of a page, in image pixels."""

    def __init__(self, page: Any, width: int = 400, height: int = 300) -> None:
        self.page = page
        page.locator(".lw-canvas[aria-busy=false]").wait_for()
        # Fitting is centred: the place of the image follows from the size of the stage.
        box = page.locator(".lw-canvas").bounding_box()
        self.scale = min(8, (box["width"] - 32) / width, (box["height"] - 32) / height)
        self.left = box["x"] + (box["width"] - width * self.scale) / 2
        self.top = box["y"] + (box["height"] - height * self.scale) / 2

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.left + x * self.scale, self.top + y * self.scale

    def click(self, *places: tuple[float, float]) -> None:
        for x, y in places:
            self.page.mouse.move(*self.at(x, y))
            self.page.mouse.click(*self.at(x, y))

    def drag(self, start: tuple[float, float], *way: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        for x, y in way:
            self.page.mouse.move(*self.at(x, y), steps=4)
        self.page.mouse.up()


def objects(page: Any, n: int) -> None:
    """The list beside the image has so many objects."""
    until(page, "n => document.querySelectorAll('.lw-objects > li.lw-object').length === n", n)


def regions_of(house: House, asset_id: int) -> dict[str, Region]:
    (found,) = house.answers([asset_id])[0]
    answer = found.get("things")
    assert isinstance(answer, RegionAnswer)
    return {region.label: region for region in answer.regions}


def near(one: float, other: float) -> bool:
    """The mouse lands on whole pixels of the screen: to less than one pixel of the image."""
    return math.isclose(one, other, abs_tol=0.75)


def test_boxes_polygons_and_masks_are_drawn_with_the_mouse_and_stored_as_drawn(
    house: House, page: Any
) -> None:
    project, ids = house.add_images({"a.png": png(1), "b.png": png(2)}, STREET)
    page.goto(f"{house.address}/projects/{project.id}/label")
    canvas = Canvas(page)
    # A box with two clicks; a second one with a drag, undone and redone.
    page.keyboard.press("b")
    canvas.click((40, 30), (120, 90))
    objects(page, 1)
    canvas.drag((200, 30), (260, 80))
    objects(page, 2)
    page.keyboard.press("Control+z")
    objects(page, 1)
    page.keyboard.press("Control+Shift+z")
    objects(page, 2)
    page.keyboard.press("Control+z")
    # A polygon, panned in the middle of it: what is half drawn stays.
    page.keyboard.press("2")
    page.keyboard.press("p")
    canvas.click((200, 150), (300, 150))
    page.keyboard.down("Space")
    canvas.drag((100, 200), (120, 220))
    page.keyboard.up("Space")
    canvas.left, canvas.top = canvas.left + 20 * canvas.scale, canvas.top + 20 * canvas.scale
    canvas.click((300, 250), (280, 270))
    page.keyboard.press("Backspace")
    canvas.click((200, 250))
    page.keyboard.press("Enter")
    objects(page, 2)
    page.keyboard.press("z")
    canvas = Canvas(page)
    # A mask of two strokes, one of them taken back with the eraser.
    page.keyboard.press("3")
    page.keyboard.press("r")
    canvas.drag((40, 200), (140, 200))
    objects(page, 3)
    canvas.drag((40, 260), (140, 260))
    page.keyboard.press("e")
    canvas.drag((30, 260), (150, 260))
    page.keyboard.press("Enter")
    assert axe(page) == []
    # The car has to have a colour: nothing is sent before.
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("Car still needs: Colour").wait_for()
    page.get_by_role("radio", name="blue").click()
    # The server dies and comes back meanwhile; the draft and the work in the page stay.
    page.keyboard.press("Control+s")
    house.served.kill()
    page.get_by_role("radio", name="Rainy").click()
    house.served.start()
    page.keyboard.press("Enter")
    page.locator(".lw-meta", has_text="b.png").wait_for()
    page.locator(".lw-sync", has_text="Saved").wait_for(timeout=30_000)
    found = regions_of(house, ids[0])
    box = found["car"].shape
    assert isinstance(box, Box) and found["car"].attributes == {"colour": "blue"}
    assert all(map(near, (box.x, box.y, box.width, box.height), (40, 30, 80, 60)))
    polygon = found["tree"].shape
    assert isinstance(polygon, Polygon)
    ((ring,),) = polygon.parts
    corners = [(200, 150), (300, 150), (300, 250), (200, 250)]
    assert len(ring) == 4
    assert all(near(x, u) and near(y, v) for (x, y), (u, v) in zip(ring, corners, strict=True))
    mask = found["road"].shape
    assert isinstance(mask, Mask) and mask.size == (300, 400)
    pixels = decode(mask)
    assert pixels[200, 50] and pixels[200, 130] and not pixels[260].any() and not pixels[230].any()
    # Taken back, it is there as it was, and what was drawn can be moved.
    page.keyboard.press("u")
    page.locator(".lw-meta", has_text="a.png").wait_for()
    objects(page, 3)
    canvas = Canvas(page)
    page.keyboard.press("v")
    canvas.drag((80, 60), (100, 70))
    page.keyboard.press("Enter")
    page.locator(".lw-meta", has_text="b.png").wait_for()
    page.locator(".lw-sync", has_text="Saved").wait_for()
    moved = bounds(regions_of(house, ids[0])["car"].shape)
    assert moved is not None and near(moved.x, 60) and near(moved.y, 40) and near(moved.width, 80)


def test_a_box_and_a_choice_are_answered_with_keys_alone_and_suggestions_walked(
    house: House, page: Any
) -> None:
    project, ids = house.add_images({"a.png": png(1), "b.png": png(2), "c.png": png(3)}, STREET)
    page.route(f"**/assets/{ids[2]}/image", lambda route: route.fulfill(status=200, body=b"no image"))
    suggested = (
        Region(id="m1", label="tree", shape=Box(x=10, y=10, width=40, height=30), score=0.9),
        Region(id="m2", label="road", shape=Box(x=200, y=200, width=90, height=50), score=0.3),
    )
    with house.bench() as bench:
        answers = Answers.of(
            {"things": RegionAnswer(regions=suggested), "weather": ChoiceAnswer(labels=("sun",))}
        )
        factories.predict(bench, project, ids[1], 0.3, answers)
    page.goto(f"{house.address}/projects/{project.id}/label")
    page.locator(".lw-canvas[aria-busy=false]").wait_for()
    # Crosshair in the middle (200, 150); 100 up and left; a corner; 50 by 30; the other corner.
    for key in ("b", "2", "Space", *["Shift+ArrowLeft"] * 10, *["Shift+ArrowUp"] * 10, "Space"):
        page.keyboard.press(key)
    for key in (*["Shift+ArrowRight"] * 5, *["Shift+ArrowDown"] * 3, "Enter"):
        page.keyboard.press(key)
    objects(page, 1)
    # To the second question, and its second answer.
    for key in ("q", "2", "Enter"):
        page.keyboard.press(key)
    page.locator(".lw-meta", has_text="b.png").wait_for()
    page.locator(".lw-canvas[aria-busy=false]").wait_for()
    page.locator(".lw-sync", has_text="Saved").wait_for()
    (region,) = regions_of(house, ids[0]).values()
    assert (region.label, region.shape) == ("tree", Box(x=100, y=50, width=50, height=30))
    (first,) = house.answers([ids[0]])[0]
    assert first.get("weather") == ChoiceAnswer(labels=("rain",))
    # The least certain suggestion comes first; it is nudged, the other one rejected.
    page.keyboard.press("n")
    page.get_by_role("status").get_by_text("Road, box, model, 30 percent").wait_for()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("n")
    page.get_by_role("button", name="Tree, box, model, 90 percent", pressed=True).wait_for()
    page.keyboard.press("x")
    objects(page, 1)
    page.keyboard.press("Enter")
    # An image that cannot be shown is not answered by mistake; there is a way on.
    page.get_by_role("alert").get_by_text("This image cannot be shown").wait_for()
    assert axe(page) == []
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("The image is not here yet").wait_for()
    page.keyboard.press("i")
    page.get_by_role("textbox", name="Reason").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("Nothing to label right now").wait_for()
    page.locator(".lw-sync", has_text="Saved").wait_for()
    assert house.submissions([ids[2]]) == 0
    (road,) = regions_of(house, ids[1]).values()
    assert (road.label, road.shape, road.score) == ("road", Box(x=201, y=200, width=90, height=50), None)


COUNTERS = "() => ({...document.querySelector('[data-stage]').counters})"


def test_thousands_of_polygons_are_panned_without_drawing_them_again(house: House, page: Any) -> None:
    def star(n: int) -> Region:
        x, y = 8 + 16 * (n % 100), 8 + 16 * (n // 100)
        ring = tuple(
            (x + r * math.cos(a * math.pi / 10), y + r * math.sin(a * math.pi / 10))
            for a, r in enumerate([7.0, 4.0] * 10)
        )
        return Region(id=f"s{n}", label=("tree", "road")[n % 2], shape=Polygon(parts=((ring,),)), score=0.5)

    project, ids = house.add_images({"a.png": png(1, 1600, 800)}, STREET)
    regions = RegionAnswer(regions=tuple(star(n) for n in range(5_000)))
    with house.bench() as bench:
        factories.predict(bench, project, ids[0], 0.5, Answers.of({"things": regions}))
    page.goto(f"{house.address}/projects/{project.id}/label")
    canvas = Canvas(page, 1600, 800)
    page.get_by_text("and 4,800 more on the image").wait_for()
    until(page, "() => document.querySelector('[data-stage]').style.transform === ''")
    before = page.evaluate(COUNTERS)
    page.mouse.move(*canvas.at(800, 400))
    page.mouse.down(button="middle")
    for n in range(20):
        page.mouse.move(*canvas.at(800 + 5 * n, 400 + 3 * n))
    during = page.evaluate(COUNTERS)
    page.mouse.up(button="middle")
    assert during["fullRedraws"] == before["fullRedraws"] and during["dirtyRedraws"] == before["dirtyRedraws"]
    assert during["gestureFrames"] > before["gestureFrames"]
    # At rest it is drawn once, and moving one shape draws only where it was and is.
    until(page, "n => document.querySelector('[data-stage]').counters.fullRedraws > n", before["fullRedraws"])
    page.keyboard.press("z")
    until(page, "() => document.querySelector('[data-stage]').style.transform === ''")
    page.wait_for_timeout(200)
    settled = page.evaluate(COUNTERS)
    canvas.drag((808, 408), (816, 416))
    page.locator(".lw-object", has_text="✓").wait_for()
    after = page.evaluate(COUNTERS)
    assert after["fullRedraws"] == settled["fullRedraws"] and after["dirtyRedraws"] > settled["dirtyRedraws"]
