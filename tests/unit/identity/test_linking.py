"""A9: only a verified address is claimed, in one spelling."""

import pytest

from tollgate.identity.linking import Profile, normalised

CLAIMS = {"sub": "s1", "email": "Ada@Example.com", "email_verified": True, "name": "Ada Lovelace"}


def profile(**changes: object) -> Profile:
    found = Profile.of("google", {**CLAIMS, **changes})
    assert found is not None
    return found


@pytest.mark.parametrize("verified", [True, "true"])
def test_a_verified_address_is_claimed_in_one_spelling(verified: object) -> None:
    assert profile(email_verified=verified).claim == "ada@example.com"


@pytest.mark.parametrize("verified", [False, None, "false", "yes", 1.5, [], "True"])
def test_an_unverified_address_is_never_claimed(verified: object) -> None:
    assert profile(email_verified=verified).claim is None


@pytest.mark.parametrize("email", [None, "", "  ", 7, "ada"])
def test_who_has_no_address_has_no_profile(email: object) -> None:
    assert Profile.of("google", {**CLAIMS, "email": email}) is None


def test_composed_and_decomposed_letters_are_one_spelling() -> None:
    assert normalised(" Zo\u0065\u0308@example.com ") == normalised("zo\u00eb@EXAMPLE.com")


@pytest.mark.parametrize("name", [None, "", " ", 3])
def test_who_has_no_name_is_called_by_the_address(name: object) -> None:
    assert profile(name=name).name == "Ada"


@pytest.mark.parametrize("url", [None, "http://pictures.example/a", "javascript:alert(1)", 5])
def test_only_a_picture_over_https_is_kept(url: object) -> None:
    assert profile(picture=url).picture_url is None
    assert profile(picture="https://pictures.example/a").picture_url is not None
