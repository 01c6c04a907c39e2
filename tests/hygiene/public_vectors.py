"""Makes public_vectors.npz: what the package invisible-watermark 0.2.0 does to small pictures.

python tests/hygiene/public_vectors.py
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

FILE = Path(__file__).with_suffix(".npz")
SIDES = (64, 96)
PAYLOAD = np.random.default_rng(36).integers(0, 2, 12, dtype=np.uint8)


def pictures():
    """[5, 64, 96, 3] uint8: crops of scikit-image's photographs, one of them in few colours, one stored as JPEG; and
    flat blocks of colours whose U is a multiple of 9, so that their singular values lie on multiples of 36."""
    import cv2
    from skimage import data

    places = {"astronaut": (30, 180), "coffee": (150, 200), "chelsea": (80, 90), "rocket": (200, 250)}
    crops = [getattr(data, name)()[y : y + SIDES[0], x : x + SIDES[1]] for name, (y, x) in places.items()]
    crops[1] = crops[1] // 18 * 18
    file = io.BytesIO()
    Image.fromarray(crops[2]).save(file, "JPEG", quality=80)
    crops[2] = np.asarray(Image.open(file))
    colours = np.random.default_rng(9).integers(0, 256, (1, 4000, 3), dtype=np.uint8)
    ties = colours[0, cv2.cvtColor(colours, cv2.COLOR_RGB2YUV)[0, :, 1] % 9 == 0]
    flat = ties[: SIDES[0] * SIDES[1] // 64].reshape(SIDES[0] // 8, SIDES[1] // 8, 3)
    return np.stack([*crops, flat.repeat(8, axis=0).repeat(8, axis=1)])


def frames(method, bgr):
    """Per block what the package reads, [h//8, w//8]."""
    import cv2
    import pywt

    u = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV)[..., 1]
    scores = method.decode_frame(pywt.dwt2(u, "haar")[0], 36, [[] for _ in range(method._wmLen)])
    return np.array(scores, dtype=np.uint8).T.reshape(bgr.shape[0] // 8, -1)


def main():
    from imwatermark.dwtDctSvd import EmbedDwtDctSvd
    from imwatermark.maxDct import EmbedMaxDct

    hosts = pictures()
    arrays = {"pictures": hosts, "payload": PAYLOAD}
    for name, method in {"dwt_dct": EmbedMaxDct, "dwt_dct_svd": EmbedDwtDctSvd}.items():
        codec = method([int(bit) for bit in PAYLOAD], wmLen=len(PAYLOAD))
        marked = [np.ascontiguousarray(codec.encode(host[..., ::-1].copy())[..., ::-1]) for host in hosts]
        arrays[f"{name}_marked"] = np.stack(marked)
        arrays[f"{name}_blocks"] = np.stack([frames(codec, host[..., ::-1].copy()) for host in hosts])
        arrays[f"{name}_bits"] = np.stack([codec.decode(picture[..., ::-1].copy()) for picture in marked])
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    main()
