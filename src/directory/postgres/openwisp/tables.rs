//! Django's tables: what they are called, what each must have, and what tells of its changes.

/// Django's tables, by what they are called here, and how the name of each begins where nothing is said: `{app}` is that of the
/// swappable models, a name in braces another table's.
pub const TABLES: [(&str, &str); 14] = [
    ("user", "{app}_user"),
    ("organization", "{app}_organization"),
    ("organization_user", "{app}_organizationuser"),
    ("organization_owner", "{app}_organizationowner"),
    ("group", "auth_group"),
    ("permission", "auth_permission"),
    ("content_type", "django_content_type"),
    ("token", "authtoken_token"),
    ("email", "account_emailaddress"),
    ("user_groups", "{user}_groups"),
    ("user_permissions", "{user}_user_permissions"),
    ("group_permissions", "{group}_permissions"),
    ("admin_log", "django_admin_log"),
    ("session", "django_session"),
];

/// What each must have.
pub(super) const COLUMNS: [(&str, &str); 12] = [
    (
        "user",
        "id password last_login is_superuser username first_name last_name email is_staff is_active date_joined bio url company location phone_number birth_date notes language",
    ),
    ("organization", "id name slug is_active description email url created modified"),
    ("organization_user", "id user_id organization_id is_admin created modified"),
    ("organization_owner", "id organization_id organization_user_id created modified"),
    ("group", "id name"),
    ("permission", "id name content_type_id codename"),
    ("content_type", "id app_label model"),
    ("token", "key created user_id"),
    ("email", "id user_id email verified primary"),
    ("user_groups", "group_id"),
    ("user_permissions", "permission_id"),
    ("group_permissions", "group_id permission_id"),
];

/// Which trigger tells of which table: its function with what it takes, and when.
pub(super) const TOLD: [(&str, &str, &str); 12] = [
    ("user", "told_user()", "INSERT OR UPDATE OR DELETE"),
    ("organization", "told_organization()", "INSERT OR UPDATE OR DELETE"),
    ("organization_user", "told_membership()", "INSERT OR UPDATE OR DELETE"),
    ("organization_owner", "told_owner()", "INSERT OR UPDATE OR DELETE"),
    ("token", "told_token()", "INSERT OR UPDATE OR DELETE"),
    ("email", "told_user_of('user_id')", "INSERT OR UPDATE OR DELETE"),
    ("user_groups", "told_user_of(@groups_user_text@)", "INSERT OR UPDATE OR DELETE"),
    ("user_permissions", "told_user_of(@permissions_user_text@)", "INSERT OR UPDATE OR DELETE"),
    ("group_permissions", "told_group_permission()", "INSERT OR UPDATE OR DELETE"),
    // A group or a permission that comes is nobody's yet.
    ("group", "told_group()", "UPDATE"),
    ("permission", "told_permission()", "UPDATE OR DELETE"),
    ("content_type", "told_emptied()", "UPDATE"),
];

/// Those that records are put into: what else must be given there, postern does not know.
pub(super) const WRITTEN: [&str; 7] =
    ["user", "organization", "organization_user", "organization_owner", "group", "token", "email"];
