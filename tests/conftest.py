"""What all tests share."""

import os

os.environ["HYGIENE_CACHE"] = "off"  # trained feature networks are not kept: every test trains its own
