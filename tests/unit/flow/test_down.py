"""`ProviderDown` with a reason in the place of the provider's name, as other exceptions take one."""

import pytest

from forebay import ConfigError, ProviderDown


def test_a_reason_in_the_place_of_the_name_is_refused_with_the_form_that_it_takes():
    with pytest.raises(
        ConfigError, match=r"takes the name of a provider, not a reason: ProviderDown\('smtp', "
    ) as info:
        ProviderDown("connection refused")
    assert "provider name 'connection refused' is not allowed" in str(info.value)
    assert info.value.__cause__ is None
