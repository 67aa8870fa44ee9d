"""Trees and hedges: trunks, branches and crowns built of many leaf clumps, lighter towards the sky."""

from math import cos, pi, sin

from edge_deeplab.data.rendered.labels import RGB, SceneClass
from edge_deeplab.data.rendered.scenery import Billboard, Scenery, stand_billboard

TREE = SceneClass.TREE
BARK: tuple[RGB, ...] = ((84, 70, 56), (98, 86, 72), (66, 56, 48))
LEAVES: tuple[RGB, ...] = ((72, 98, 42), (58, 84, 40), (92, 108, 48), (52, 76, 44), (104, 104, 52))
AUTUMN: tuple[RGB, ...] = ((140, 100, 44), (124, 84, 42))
NEEDLES: tuple[RGB, ...] = ((40, 64, 40), (46, 70, 50))


def paint_tree(scenery: Scenery, x_m: float, z_m: float, size: float = 1.0) -> None:
    """Paints one tree, broadleaf or conifer, standing at (x, z) metres."""
    board = stand_billboard(scenery.camera, x_m, z_m)
    scenery.cast_shadow(x_m - 1.4 * size, x_m + 1.4 * size, z_m - 0.8, z_m + 1.2, 0.35)
    if scenery.rng.random() < 0.15:
        _paint_conifer(scenery, board, size)
    else:
        _paint_broadleaf(scenery, board, size)


def _paint_broadleaf(scenery: Scenery, board: Billboard, size: float) -> None:
    """Paints a trunk that forks into a round crown."""
    rng, canvas = scenery.rng, scenery.canvas
    crown_y, radius = rng.uniform(4.2, 5.8) * size, rng.uniform(1.7, 2.7) * size
    bark = scenery.light.shade(scenery.pick(BARK), 0.9, board.depth_m)
    girth = rng.uniform(0.14, 0.24) * size
    lean = rng.uniform(-0.3, 0.3)
    trunk = [
        board.at(-girth * 1.3, 0),
        board.at(girth * 1.3, 0),
        board.at(girth * 0.7 + lean, crown_y),
        board.at(-girth * 0.7 + lean, crown_y),
    ]
    canvas.polygon(trunk, bark, TREE)
    for reach in (-0.6, 0.55):
        fork = [board.at(lean * 0.6, crown_y * 0.55), board.at(reach * radius + lean, crown_y)]
        canvas.line(fork, bark, girth * board.scale * 0.8, TREE)
    leaf = scenery.pick(AUTUMN if rng.random() < 0.14 else LEAVES, 14)
    _paint_crown(scenery, board, (lean, crown_y), radius, leaf)


def _paint_crown(
    scenery: Scenery, board: Billboard, centre: tuple[float, float], radius: float, leaf: RGB
) -> None:
    """Paints a crown: a dark body of lobes, then leaf clumps lit from above and from the sun's side."""
    canvas, light, rng = scenery.canvas, scenery.light, scenery.rng
    lobes = 9
    dark = light.shade(leaf, 0.62, board.depth_m)
    for index, (jitter, grow) in enumerate(rng.random((lobes, 2)).tolist()):
        angle = 2 * pi * index / lobes + jitter * 0.5
        lobe = board.at(
            centre[0] + cos(angle) * radius * 0.62, centre[1] + sin(angle) * radius * 0.52
        )
        size = radius * (0.36 + 0.2 * grow) * board.scale
        canvas.ellipse(lobe, (size, size * 0.9), dark, TREE)
    canvas.ellipse(
        board.at(*centre), (radius * 0.75 * board.scale, radius * 0.62 * board.scale), dark, TREE
    )
    clumps = int(min(260, 40 + radius * board.scale * 1.1))
    tones = [light.shade(leaf, 0.62 + 0.11 * step, board.depth_m) for step in range(8)]
    for turn, reach, grow, tone in rng.random((clumps, 4)).tolist():
        angle, away = 2 * pi * turn, reach**0.55 * radius * 1.02
        dx, dy = cos(angle) * away, sin(angle) * away * 0.88
        lit = 0.42 + 0.26 * dy / radius + 0.2 * light.sun_side * dx / radius + 0.3 * (tone - 0.5)
        rgb = tones[max(0, min(7, int(lit * 8)))]
        size = radius * (0.04 + 0.1 * grow) * board.scale
        canvas.ellipse(board.at(centre[0] + dx, centre[1] + dy), (size, size * 0.75), rgb, TREE)


def _paint_conifer(scenery: Scenery, board: Billboard, size: float) -> None:
    """Paints a dark conifer: a cone of drooping twigs, lighter towards the tips of the upper ones."""
    rng, canvas = scenery.rng, scenery.canvas
    height, spread = rng.uniform(5.5, 8.5) * size, rng.uniform(1.1, 1.6) * size
    bark = scenery.light.shade(scenery.pick(BARK), 0.9, board.depth_m)
    canvas.polygon(board.box(-0.14 * size, 0.14 * size, 0, height * 0.4), bark, TREE)
    needle = scenery.pick(NEEDLES)
    tones = [scenery.light.shade(needle, 0.6 + 0.11 * step, board.depth_m) for step in range(8)]
    cone = [board.at(-spread * 0.8, 0.9), board.at(spread * 0.8, 0.9), board.at(0, height)]
    canvas.polygon(cone, tones[1], TREE)
    twigs = int(min(150, 40 + height * board.scale * 0.3))
    for index, (across, tone, grow) in enumerate(rng.random((twigs, 3)).tolist()):
        rise = index / twigs
        reach = spread * (1.0 - rise) + 0.1
        x, y = (across * 2.0 - 1.0) * reach, 0.9 + rise * (height - 1.0)
        wide = (0.12 + 0.28 * grow) * (1.1 - rise) * size
        drop = 0.16 * size * (1.0 if x > 0 else -1.0)
        twig = [
            board.at(x - wide, y - 0.1),
            board.at(x + wide + drop, y - 0.3),
            board.at(x, y + 0.35),
        ]
        canvas.polygon(twig, tones[int(tone * 7.99)], TREE)


def paint_hedge(scenery: Scenery, x_m: float, z_span: tuple[float, float], height_m: float) -> None:
    """Paints a clipped hedge along the street, with the leaf clumps of a crown."""
    camera, canvas, light, rng = scenery.camera, scenery.canvas, scenery.light, scenery.rng
    near, far = max(1.0, z_span[0]), z_span[1]
    leaf = scenery.pick(LEAVES, 12)
    body = [
        camera.project(x_m, 0, near),
        camera.project(x_m, 0, far),
        camera.project(x_m, height_m, far),
        camera.project(x_m, height_m, near),
    ]
    canvas.polygon(body, light.shade(leaf, 0.6, (near + far) / 2), TREE)
    ratio = far / near
    for along, up, grow, tone in rng.random((260, 4)).tolist():
        z = near * ratio**along  # even in the picture, not on the ground
        y = up * height_m * 1.02
        rgb = light.shade(leaf, 0.5 + 0.35 * up + 0.4 * tone, z)
        size = (0.06 + 0.12 * grow) * camera.scale_at(z)
        canvas.ellipse(camera.project(x_m, max(y, 0.12), z), (size, size * 0.7), rgb, TREE)
