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
    "dashboard:overview_main": Permission.SEE_FLEET,
    "dashboard:overview_side": Permission.SEE_FLEET,
    "dashboard:nav_entries": SIGNED_IN,
    "dashboard:lines": Permission.SEE_FLEET,
    "dashboard:lines_table": Permission.SEE_FLEET,
    "dashboard:devices": Permission.SEE_FLEET,
    "dashboard:devices_table": Permission.SEE_FLEET,
    "dashboard:device_add": Permission.ENROL_DEVICE,
    "dashboard:device": Permission.SEE_FLEET,
    "dashboard:device_status": Permission.SEE_FLEET,
    "dashboard:device_commands": Permission.SEE_FLEET,
    "dashboard:device_command": Permission.COMMAND_DEVICE,
    "dashboard:device_configure": Permission.CONFIGURE_DEVICE,
    "dashboard:device_code": Permission.ENROL_DEVICE,
    "dashboard:device_admission": Permission.ENROL_DEVICE,
    "dashboard:device_figure": Permission.SEE_FLEET,
    "dashboard:settings": SIGNED_IN,
    "dashboard:people": Permission.MANAGE_PEOPLE,
    "dashboard:person_add": Permission.MANAGE_PEOPLE,
    "dashboard:role_set": Permission.MANAGE_PEOPLE,
    "dashboard:person_activate": Permission.MANAGE_PEOPLE,
    "dashboard:audit": Permission.SEE_AUDIT,
    # datasets
    "datasets:list": Permission.SEE_DATA,
    "datasets:list_live": Permission.SEE_DATA,
    "datasets:detail": Permission.SEE_DATA,
    "datasets:summary": Permission.SEE_DATA,
    "datasets:freeze": Permission.EDIT_DATA,
    "datasets:image": Permission.SEE_IMAGES,
    "datasets:thumbnail": Permission.SEE_IMAGES,
    # models
    "models:list": Permission.SEE_DATA,
    "models:list_live": Permission.SEE_DATA,
    "models:upload": Permission.SUBMIT_VERSION,
    "models:version": Permission.SEE_DATA,
    "models:version_live": Permission.SEE_DATA,
    "models:approve": Permission.APPROVE_VERSION,
    "models:withdraw": Permission.APPROVE_VERSION,
    "models:run_new": Permission.TRAIN,
    "models:run": Permission.SEE_DATA,
    "models:run_live": Permission.SEE_DATA,
    "models:run_curve": Permission.SEE_DATA,
    "models:run_cancel": Permission.TRAIN,
    # alerts
    "alerts:list": Permission.SEE_FLEET,
    "alerts:list_live": Permission.SEE_FLEET,
    "alerts:acknowledge": Permission.HANDLE_ALERT,
    # defects
    "defects:review": Permission.REVIEW,
    "defects:counters": Permission.REVIEW,
    "defects:claim": Permission.REVIEW,
    "defects:verdict": Permission.REVIEW,
    "defects:skip": Permission.REVIEW,
    "defects:undo": Permission.REVIEW,
    "defects:image": Permission.SEE_IMAGES,
    # rollouts
    "rollouts:list": Permission.SEE_FLEET,
    "rollouts:list_live": Permission.SEE_FLEET,
    "rollouts:create": Permission.PLAN_ROLLOUT,
    "rollouts:edit": Permission.PLAN_ROLLOUT,
    "rollouts:submit": Permission.PLAN_ROLLOUT,
    "rollouts:detail": Permission.SEE_FLEET,
    "rollouts:detail_live": Permission.SEE_FLEET,
    "rollouts:decide": Permission.APPROVE_ROLLOUT,
    "rollouts:verb": Permission.OPERATE_ROLLOUT,
    "rollouts:reason": Permission.OPERATE_ROLLOUT,
    # api
    "api:schema": SIGNED_IN,
    "api:alert_list": Permission.SEE_FLEET,
    "api:flag_list": Permission.SEE_IMAGES,
    "api:rollout_list": Permission.SEE_FLEET,
    "api:window_list": Permission.SEE_FLEET,
    "api:device_list": Permission.SEE_FLEET,
    "api:me": SIGNED_IN,
    "api:dataset_list": Permission.SEE_DATA,
    "api:version_list": Permission.SEE_DATA,
}
