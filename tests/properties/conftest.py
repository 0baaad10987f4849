"""So that a failed assert in the helpers of these tests shows its values."""

import pytest

pytest.register_assert_rewrite("properties.twins", "properties.machine")
