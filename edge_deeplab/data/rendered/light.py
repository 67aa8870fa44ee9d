"""The light of a scene: sky colours, sun side, haze, exposure.

Painters ask one question, `Light.shade`: which colour does a surface of this paint, turned this way, this far, have?
"""

from dataclasses import dataclass
from math import exp

import numpy as np

from edge_deeplab.data.rendered.labels import RGB

Triple = tuple[float, float, float]
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Weather:
    """What a time of day and its weather allow; spans are drawn from uniformly."""

    zenith: RGB
    horizon: RGB
    cloud: RGB
    cloud_cover: Span
    tint: Triple
    sun: Span
    shadow: Span
    haze_per_m: Span
    exposure: Span
    glow: bool = False


WEATHERS: dict[str, Weather] = {
    "clear": Weather(
        zenith=(92, 142, 208),
        horizon=(198, 220, 238),
        cloud=(248, 248, 250),
        cloud_cover=(0.1, 0.55),
        tint=(1.02, 1.0, 0.97),
        sun=(0.2, 0.38),
        shadow=(0.4, 0.6),
        haze_per_m=(0.001, 0.004),
        exposure=(0.85, 1.12),
    ),
    "overcast": Weather(
        zenith=(196, 202, 210),
        horizon=(232, 234, 236),
        cloud=(164, 170, 180),
        cloud_cover=(0.4, 0.9),
        tint=(0.97, 0.99, 1.02),
        sun=(0.0, 0.08),
        shadow=(0.05, 0.2),
        haze_per_m=(0.003, 0.008),
        exposure=(0.72, 1.0),
    ),
    "white": Weather(
        zenith=(236, 242, 250),
        horizon=(252, 252, 252),
        cloud=(255, 255, 255),
        cloud_cover=(0.2, 0.8),
        tint=(1.0, 1.0, 0.99),
        sun=(0.1, 0.3),
        shadow=(0.2, 0.5),
        haze_per_m=(0.001, 0.005),
        exposure=(0.6, 0.95),
    ),
    "golden": Weather(
        zenith=(112, 140, 188),
        horizon=(250, 218, 168),
        cloud=(252, 214, 178),
        cloud_cover=(0.2, 0.6),
        tint=(1.12, 0.98, 0.8),
        sun=(0.25, 0.42),
        shadow=(0.4, 0.6),
        haze_per_m=(0.002, 0.006),
        exposure=(0.75, 1.0),
    ),
    "dusk": Weather(
        zenith=(98, 110, 138),
        horizon=(188, 176, 168),
        cloud=(78, 86, 104),
        cloud_cover=(0.4, 0.8),
        tint=(0.86, 0.92, 1.06),
        sun=(0.0, 0.1),
        shadow=(0.0, 0.15),
        haze_per_m=(0.002, 0.006),
        exposure=(0.5, 0.72),
        glow=True,
    ),
    "haze": Weather(
        zenith=(214, 216, 216),
        horizon=(226, 226, 224),
        cloud=(206, 208, 210),
        cloud_cover=(0.2, 0.5),
        tint=(0.98, 0.99, 1.0),
        sun=(0.0, 0.05),
        shadow=(0.05, 0.15),
        haze_per_m=(0.008, 0.015),
        exposure=(0.8, 1.0),
    ),
}
WEATHER_ODDS: tuple[float, ...] = (0.3, 0.22, 0.18, 0.12, 0.1, 0.08)


@dataclass(frozen=True, slots=True)
class Light:
    """The light drawn for one scene.

    Attributes:
        weather: the colours it was drawn from.
        cloud_cover: share of the sky under cloud, 0 to 1.
        sun_side: -1 when the sun stands over the left row of houses, +1 over the right one.
        sun: how much brighter a sunlit wall is than a shaded one, as a share.
        shadow: darkness of cast shadows, 0 to 1.
        haze_per_m: share of light lost to haze per metre.
        exposure: gain applied to the finished picture.
    """

    weather: Weather
    cloud_cover: float
    sun_side: int
    sun: float
    shadow: float
    haze_per_m: float
    exposure: float

    def wall(self, side: int) -> float:
        """Gives the brightness of a wall on this side of the street (-1 left, +1 right, 0 facing the camera)."""
        return 0.95 - self.sun * side * self.sun_side * 0.7 - (0.06 if side == 0 else 0.0)

    def shade(self, paint: RGB, factor: float = 1.0, depth_m: float = 0.0) -> RGB:
        """Gives the colour seen of a paint at a brightness factor and a depth in metres."""
        seen = exp(-self.haze_per_m * depth_m)
        gain = factor * seen
        tint, haze, lost = self.weather.tint, self.weather.horizon, (1.0 - seen) * 0.85
        return (
            min(255, int(paint[0] * gain * tint[0] + haze[0] * lost)),
            min(255, int(paint[1] * gain * tint[1] + haze[1] * lost)),
            min(255, int(paint[2] * gain * tint[2] + haze[2] * lost)),
        )


def sample_light(rng: np.random.Generator) -> Light:
    """Draws a time of day, its weather and where the sun stands."""
    names = tuple(WEATHERS)
    weather = WEATHERS[names[int(rng.choice(len(names), p=WEATHER_ODDS))]]
    return Light(
        weather=weather,
        cloud_cover=rng.uniform(*weather.cloud_cover),
        sun_side=-1 if rng.random() < 0.5 else 1,
        sun=rng.uniform(*weather.sun),
        shadow=rng.uniform(*weather.shadow),
        haze_per_m=rng.uniform(*weather.haze_per_m),
        exposure=rng.uniform(*weather.exposure),
    )
