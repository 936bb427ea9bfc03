"""One picture of the embedded data set: a place, a figure, company, obstacles, a camera."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from reid_data.synthetic_camera import Camera, backdrop, camera, develop, obstruct
from reid_data.synthetic_canvas import Canvas
from reid_data.synthetic_person import VIEWS as PERSON_VIEWS
from reid_data.synthetic_person import draw_person, person
from reid_data.synthetic_vehicle import VIEWS as VEHICLE_VIEWS
from reid_data.synthetic_vehicle import draw_vehicle, extent, vehicle

Kind = Literal["persons", "vehicles"]
Domain = Literal[0, 1]

SUPERSAMPLING = 2
"""Scenes are drawn this many times larger than the picture, then averaged down."""


@dataclass(frozen=True)
class World:
    """Where all pictures of a data set are taken; each has random numbers of its own.

    Attributes:
        kind: what is seen.
        domain: which cameras, places and colours.
        seed: of everything drawn.
        size: of a picture, (width, height) in pixels.
    """

    kind: Kind
    domain: Domain
    seed: int
    size: tuple[int, int]

    def camera(self, number: int) -> Camera:
        """The camera of that number, from 1."""
        views = PERSON_VIEWS if self.kind == "persons" else VEHICLE_VIEWS
        rng = self._random(0, number)
        return camera(rng, number=number, domain=self.domain, views=views)

    def picture(self, subject: int, camera: int, shot: int, *, missed: bool = False) -> Image.Image:
        """Renders one picture.

        Args:
            subject: number of the one whose looks are drawn.
            camera: number of the camera, from 1.
            shot: number of the picture, from 0.
            missed: place the subject mostly outside of the picture.

        Returns:
            An RGB picture of the world's size.
        """
        eye, rng = self.camera(camera), self._random(2, subject, camera, shot)
        width, height = self.size
        scene = backdrop(eye, (SUPERSAMPLING * width, SUPERSAMPLING * height), rng)
        astray = eye.jitter * (2 * rng.random(2) - 1)
        if missed:
            astray = np.array([0.32, 0.30]) * np.sign(astray)
        company, beside = rng.random(2)
        if company < 0.2:
            self._figure(scene, eye, rng, rng, (_aside(beside, 0.22, 0.4), -0.05), 0.8)
        looks = self._random(1, subject)
        self._figure(scene, eye, looks, rng, (astray[0], astray[1]), 1.0)
        if company > 0.78:
            self._figure(scene, eye, rng, rng, (_aside(beside, 0.3, 0.42), 0.06), 1.05)
        obstruct(scene, eye, rng)
        return develop(scene, eye, self.size, rng)

    def _random(self, *words: int) -> np.random.Generator:
        kind = ("persons", "vehicles").index(self.kind)
        return np.random.default_rng([self.seed, kind, self.domain, *words])

    def _figure(
        self,
        scene: Image.Image,
        camera: Camera,
        looks: np.random.Generator,
        pose: np.random.Generator,
        astray: tuple[float, float],
        size: float,
    ) -> None:
        """Draws one figure; `looks` decides who it is, `pose` how it stands."""
        turn, stride, near = pose.random(3)
        yaw = camera.yaw + 1.1 * (turn - 0.5)
        scale = size * camera.zoom * (0.95 + 0.1 * near)
        floor = (0.95 if self.kind == "persons" else 0.80) + astray[1]
        foot = (scene.width / 2 + astray[0] * scene.height, floor * scene.height)
        if self.kind == "persons":
            scale *= 0.86 * scene.height
            canvas = Canvas(scene, foot=foot, scale=scale, yaw=yaw, pitch=camera.pitch)
            who = person(looks, domain=self.domain)
            draw_person(canvas, who, stride=2 * math.pi * stride)
        else:
            what = vehicle(looks, domain=self.domain)
            scale *= 0.92 * min(scene.size) / extent(what, yaw=yaw)
            canvas = Canvas(scene, foot=foot, scale=scale, yaw=yaw, pitch=camera.pitch)
            draw_vehicle(canvas, what)


def _aside(chance: float, least: float, most: float) -> float:
    """A distance to the left or to the right."""
    reach = least + (most - least) * abs(2 * chance - 1)
    return math.copysign(reach, chance - 0.5)
