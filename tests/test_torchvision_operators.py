"""timm beside whatever torch there is, in a fresh interpreter."""

import subprocess
import sys


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_timm_can_be_imported_after_m2pt():
    done = run("import m2pt, timm; print(timm.create_model('vit_tiny_patch16_224', img_size=32).num_classes)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1000"


def test_m2pt_does_not_wait_for_torch():
    done = run("import sys, m2pt; print(sorted({'torch', 'torchvision', 'timm'} & set(sys.modules)))")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_operators_that_torchvision_brings_are_left_alone():
    """The stand-in for a torchvision whose own operators load: declared once by it, they must not be declared again."""
    done = run(
        "import torch\n"
        "torch.library.define('torchvision::nms', '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')\n"
        "torch.library.define('torchvision::qnms', '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')\n"
        "import m2pt\n"
        "from m2pt.torchvision_operators import declare_missing_operators\n"
        "declare_missing_operators()\n"
    )
    assert done.returncode == 0, done.stderr
