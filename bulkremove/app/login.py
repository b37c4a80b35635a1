"""Use cases for credentials: logging in with a grant code, and removing an account with its refresh token."""

from __future__ import annotations

from dataclasses import replace

from bulkremove.app.context import Context
from bulkremove.app.users import Users
from bulkremove.config.values import account_name, organization_name
from bulkremove.domain.data_centers import DATA_CENTERS
from bulkremove.domain.errors import BulkremoveError, SettingsError
from bulkremove.domain.operation import ENROLL_LEARNER, LIST_COURSES, REMOVE_LEARNER
from bulkremove.zoho.accounts import AccountStore, Credentials, client_hash, system_keyring, with_data_center
from bulkremove.zoho.client import open_client
from bulkremove.zoho.oauth import exchange, is_scope_missing, revoke


async def log_in(
    context: Context, *, name: str, dc: str, organization: str, client_id: str, client_secret: str, code: str
) -> list[str]:
    """Exchange a grant code for a refresh token and store it; returns sentences to show, without secrets.

    ``organization``: the organisation at Zoho whose limit the account's calls use.

    Raises NotAuthorized, TokenDelayed, SettingsError or LocalFileFailed.
    """
    try:
        name, organization = account_name(name), organization_name(organization)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if dc not in DATA_CENTERS:
        raise SettingsError(f"{dc!r} is not a data centre of Zoho.", hint=f"There are: {', '.join(DATA_CENTERS)}.")
    store = AccountStore(context.settings.home, system_keyring())
    _check_same_client(store, name, client_id)
    settings = replace(context.settings, dc=dc)
    credentials = Credentials(dc, client_id, client_secret, "")
    credentials.check_host(settings)
    async with open_client(settings) as zoho:
        grant = await exchange(zoho.post_form, settings.token_url, credentials, code)
    account = store.add(
        name,
        replace(credentials, refresh_token=grant.refresh_token),
        organization,
        may_read=bool(grant.scopes) and not is_scope_missing(grant.scopes, LIST_COURSES),
    )
    sentences = [
        f"Connected: account {name!r}, organisation {organization!r}, data centre {dc} ({settings.host}). Its secrets "
        "are kept in the "
        f"{'system keyring' if account.stored_in == 'keyring' else 'private folder ' + str(settings.home)}."
    ]
    if is_scope_missing(grant.scopes):
        sentences.append(
            "WARNING: this grant does not let a learner be removed. Make a new code with the scope "
            f"{REMOVE_LEARNER.scopes[0]} and connect the account again."
        )
    if is_scope_missing(grant.scopes, LIST_COURSES):
        sentences.append(
            f"To find courses, batches and learners, and to say who they are, needs the scope {LIST_COURSES.scopes[0]} "
            "too, which this grant does not have; removals do not need it."
        )
    if is_scope_missing(grant.scopes, ENROLL_LEARNER):
        sentences.append(
            f"To put people back needs the scope {ENROLL_LEARNER.scopes[0]} too, which this "
            "grant does not have; removals do not need it."
        )
    return sentences


def _check_same_client(store: AccountStore, name: str, client_id: str) -> None:
    """Check that an account of this name has no other client, perhaps of another organisation. Raises SettingsError.

    Roles, nights and jobs belong to the name of an account.
    """
    client = client_hash(client_id)
    if any(account.name == name and account.client not in ("", client) for account in store.all()):
        raise SettingsError(
            f"Account {name!r} is connected with another client id already. Nothing was changed.",
            hint="Give this one another name: `bulkremove login NAME`. Or take that one away first, and the roles for "
            f"it: `bulkremove accounts remove {name}`.",
            page_hint="Give this one another name, or disconnect that one first: roles for it are taken away then.",
        )


async def log_out(context: Context, users: Users, name: str, *, by: str) -> list[str]:
    """Revoke the account's refresh token at Zoho and delete the account here; returns sentences to show.

    Users and tokens lose their roles for it: another account may get its name.
    """
    store = AccountStore(context.settings.home, system_keyring())
    credentials, settings = store.get(name), with_data_center(replace(context.settings, account=name), {})
    try:
        credentials.check_host(settings)
        async with open_client(settings) as zoho:
            await revoke(zoho.post_form, settings.token_url, credentials)
        message = "Its refresh token was revoked at Zoho."
    except BulkremoveError as error:
        message = f"Its refresh token could not be revoked ({error.message}); revoke it in Zoho's API console."
    store.remove(name)
    sentences = [f"Account {name!r} was removed from this machine.", message]
    if context.storage.exists and (lost := await users.withdraw_account(name, by=by)):
        sentences.append(f"Who had a role for it has none any more: {', '.join(lost)}.")
    if any(text.endswith(f"@{name}") for _, text in context.settings.auth_roles):
        sentences.append("auth_roles of the settings still gives roles for it: take them out.")
    return sentences
