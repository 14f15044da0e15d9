"""One matrix: what each page and operation needs. A URL that is not listed is refused, and fails the tests.

The key is the URL's view name. `ANYONE` needs no sign-in, `SIGNED_IN` needs only that. Where a permission is scoped
to sites, the view also narrows its rows with `apps.accounts.selectors.scope`.
"""

from apps.accounts.rights import ANYONE, SIGNED_IN, Permission, Right

RIGHTS: dict[str, Right] = {
    # accounts
    "accounts:sign_in": ANYONE,
    "accounts:sign_out": SIGNED_IN,
    # dashboard
    "dashboard:overview": Permission.SEE_FLEET,
    "dashboard:nav_entries": SIGNED_IN,
    # api
    "api:schema": SIGNED_IN,
    "api:window_list": Permission.SEE_FLEET,
    "api:device_list": Permission.SEE_FLEET,
    "api:me": SIGNED_IN,
}
