import io

import numpy as np
import pytest
from PIL import Image

from m2pt.modalities.image.decoding.pictures import decode


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a"])
def test_a_picture_is_read_by_its_content_whatever_its_name(kind: str, name: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.full((5, 7, 3), 90, dtype=np.uint8)).save(file, kind)
    assert decode(file.getvalue(), name).size == (7, 5)
