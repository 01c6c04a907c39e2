"""Pictures to measure on: files under folders, photographs of scikit-image, and a held-out list of Debian's packages.

Every picture of the held-out list was looked at: photographs are told from drawings and renderings, a motif that comes
in several sizes, crops or colourings is taken once, and nothing is in it that the codec's constants were chosen on
(scikit-image's photographs, opencv-doc's samples). All have a short side of at least 512 pixels.
"""

import io
import os
import re
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from benchmarks import qt_resources

PHOTOGRAPHS = ("astronaut", "camera", "coffee", "chelsea", "rocket", "coins", "moon", "brick", "grass", "gravel")
"""scikit-image's, by the names of its functions: what the codec was tuned on."""

SMALLEST = 64
"""Least short side, in pixels, of a file that counts as a picture."""

ROOT = Path("/usr/share")
RESOURCES = ".rcc"
"""Of a Qt resource file; the path of a picture in it follows: erase.rcc/giraffe.webp."""

HELD_OUT = {
    "lomiri-wallpapers-16.04": """
        backgrounds/Bridge_by_Sander_Klootwijk.jpg backgrounds/Dragonfly_by_Bolly.jpg
        backgrounds/Picture_0B_by_freespace.jpg backgrounds/Picture_1A_by_freespace.jpg
        backgrounds/Wine_by_Jakkub_Mede.jpg backgrounds/aitzgorri_by_Aitzol_Berasategi.jpg
        backgrounds/analogpattern_by_Peter_Nerlich.jpg backgrounds/free_by_Peter_Nerlich.jpg
        backgrounds/friends_by_Aitzol_Berasategi.jpg backgrounds/greentock_by_Peter_Nerlich.jpg
        backgrounds/life_by_Aitzol_Berasategi.jpg backgrounds/picosdeeuropa_by_Aitzol_Berasategi.jpg
        backgrounds/seeding_by_Clements_Engelhardt.jpg backgrounds/sunset_by_Aitzol_Berasategi.jpg""",
    "lomiri-wallpapers-20.04": "backgrounds/Kleiber_by_Lukas_Baubkus.jpg",
    "mate-backgrounds": """
        backgrounds/mate/nature/{Aqua,Blinds,Dune,FreshFlower,Garden,GreenMeadow,LadyBird,RainDrops}.jpg
        backgrounds/mate/nature/{Storm,TwoWings,Wood,YellowFlower}.jpg""",
    "plasma-workspace-wallpapers": """
        wallpapers/{BytheWater,ColdRipple,ColorfulCups,DarkestHour,EveningGlow}/contents/images/2560x1600.jpg
        wallpapers/{FallenLeaf,Grey,Kite,OneStandsOut,Path,summer_1am}/contents/images/2560x1600.jpg""",
    "lxqt-themes": """
        lxqt/wallpapers/{Butterfly-Kenneth-Wimer,after-the-rain,fog,this-is-not-windows}.jpg
        lxqt/wallpapers/{Valendas,appleflower,beam,butterfly,cloud,drop,flowers}.png""",
    "palapeli-data": """
        palapeli/collection/{castle-maintenon,cincinnati-bridge,citrus-fruits,european-honey-bee}.jpg
        palapeli/collection/panther-chameleon-female.jpg""",
    "gcompris-qt-data": """
        gcompris-qt/rcc/clickgame.rcc/{sea1,sea2,sea3,sea4,sea5,sea6}.webp
        gcompris-qt/rcc/erase.rcc/{alpaca,bee,butterfly,calf,camels,caterpillar,chamaeleon,cheetah,crab,dolphin}.webp
        gcompris-qt/rcc/erase.rcc/{flying_fox,gibbon,giraffe,goat,gorilla,gosling,heron,horse,kingfisher}.webp
        gcompris-qt/rcc/erase.rcc/{kitten,long_nosed_monkey,macaque,meerkats,northern_harrier,nubian_ibex}.webp
        gcompris-qt/rcc/erase.rcc/{penguin,pika,red_panda,rhinoceros,spoonbills,squirrel,swans,toucan}.webp
        gcompris-qt/rcc/explore_farm_animals.rcc/{cat,chicken,cow,dog,duck,horse,owl,pig,sheep}.webp
        gcompris-qt/rcc/explore_monuments.rcc/{bentPyramid,greatPyramidOfGiza,meidumPyramid,redPyramid}.webp
        gcompris-qt/rcc/explore_monuments.rcc/{arlesAmphitheater,chateaudeChambord,chateaudeChenonceau}.webp
        gcompris-qt/rcc/explore_monuments.rcc/{citedeCarcassonne,eiffelTower,montStMichel,palaisdesPapes}.webp
        gcompris-qt/rcc/explore_monuments.rcc/{pontduGard,reimsCathedral,rocamadour,aulaPalatina}.webp
        gcompris-qt/rcc/explore_monuments.rcc/{berlinCathedral,brandenburgGate,neuschwansteinCastle}.webp
        gcompris-qt/rcc/explore_monuments.rcc/{schwerinPalace,trierImperialBaths,wormsCathedral,ajantaCave}.webp
        gcompris-qt/rcc/explore_monuments.rcc/{charminar,gatewayofIndia,goldenTemple,greatStupa,hawaMahal}.webp
        gcompris-qt/rcc/explore_monuments.rcc/{konarkSunTemple,mysorePalace,qutubMinar,rangGhar}.webp
        gcompris-qt/rcc/explore_monuments.rcc/{canyondeChelly,castillodeSanMarcos,castleClinton,fortSumter}.webp
        gcompris-qt/rcc/explore_monuments.rcc/{georgeWashingtonBirthplace,lincolnMemorial,mountRushmore}.webp
        gcompris-qt/rcc/explore_monuments.rcc/{navajo,statueofLiberty,chichenItza,christTheRedeemer}.webp
        gcompris-qt/rcc/explore_monuments.rcc/{colosseum,greatWallofChina,machuPicchu,petra,tajMahal}.webp
        gcompris-qt/rcc/explore_world_animals.rcc/{bison,chameleon,dragon,giraffe,hedgehog,jaguar}.webp
        gcompris-qt/rcc/explore_world_animals.rcc/{kangaroo,koala,lemur,moose,narwhal,panda,polar_bear}.webp
        gcompris-qt/rcc/explore_world_animals.rcc/scarlet_macaw.webp
        gcompris-qt/rcc/explore_world_music.rcc/{africa,america,australia,italy,japan,mexico,middleeast}.webp
        gcompris-qt/rcc/explore_world_music.rcc/orchestra.webp""",
}
"""Photographs by package, under ROOT; braces as in a shell."""

DRAWN = {
    "lomiri-wallpapers-16.04": "backgrounds/umang_by_Abhishek_Mudgal.jpg",
    "lomiri-wallpapers-20.04": """
        backgrounds/Fossa_by_Jasper_Roks.jpg backgrounds/Infinite-Sea_by_Aury88.jpg
        backgrounds/Painting-Colors_by__herobrine7gamer.jpg""",
    "mate-backgrounds": """
        backgrounds/mate/abstract/Elephants.jpg backgrounds/mate/desktop/GreenTraditional.jpg
        backgrounds/mate/desktop/{Float-into-MATE,Ubuntu-Mate-Cold-no-logo}.png""",
    "plasma-workspace-wallpapers": """
        wallpapers/{Altai,IceCold,Kay,MilkyWay,Patak}/contents/images/5120x2880.png
        wallpapers/{Flow,Honeywave,SafeLanding,Shell,Volna}/contents/images/5120x2880.jpg
        wallpapers/{Canopee,Cascade,Cluster,Kokkini,Opal}/contents/images/3840x2160.png
        wallpapers/{Elarun,FlyingKonqui}/contents/images/2560x1600.png
        wallpapers/PastelHills/contents/images/3200x2000.jpg wallpapers/Autumn/contents/images/2560x1600.jpg""",
}
"""Drawings and renderings, likewise."""


def listed(packages: dict[str, str]) -> list[str]:
    """Absolute sources of HELD_OUT or DRAWN. SystemExit, with what to install, where a package is missing."""
    found = {package: [str(ROOT / path) for path in expanded(paths)] for package, paths in packages.items()}
    missing = [package for package, paths in found.items() if not all(stored(path)[0].is_file() for path in paths)]
    if missing:
        raise SystemExit(f"pictures are missing: apt-get install {' '.join(missing)} (Debian 12), or name a folder")
    return [path for paths in found.values() for path in paths]


def expanded(paths: str) -> list[str]:
    """Paths between white space, each {a,b} in turn."""
    found = []
    for path in paths.split():
        before, braces, after = re.fullmatch(r"([^{]*)(?:\{(.*)\})?(.*)", path).groups()  # type: ignore[union-attr]
        found += [before + each + after for each in (braces or "").split(",")]
    return found


def stored(source: str) -> tuple[Path, str]:
    """The file that a source is in, and, of a Qt resource file, the path inside it, else an empty one."""
    archive, mark, inside = source.partition(RESOURCES + "/")
    return (Path(archive + RESOURCES), "/" + inside) if mark else (Path(source), "")


def sources(folders: list[Path]) -> list[str]:
    """Files under the folders, at any depth; without a folder the names of scikit-image's photographs."""
    if not folders:
        return list(PHOTOGRAPHS)
    files = {path.resolve() for folder in folders for path in folder.rglob("*") if path.is_file()}
    return [str(path) for path in sorted(files) if is_picture(path)]


def is_picture(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return min(image.size) >= SMALLEST
    except UnidentifiedImageError:
        return False


def opened(source: str) -> Image.Image:
    """RGB, of a file, of one of `listed`, or of one of PHOTOGRAPHS."""
    if os.sep in source:
        path, inside = stored(source)
        return Image.open(io.BytesIO(qt_resources.read(path, inside)) if inside else path).convert("RGB")
    from skimage import data

    return Image.fromarray(getattr(data, source)()).convert("RGB")
