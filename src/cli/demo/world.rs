//! The demo's world: two organizations and their people.

use crate::clock;
use crate::directory::name::{Slug, Text};
use crate::directory::token::Token;
use crate::directory::{
    Blank, Directory, DirectoryError, NewMembership, NewOrganization, NewScope, NewToken, NewUser, OrgSelector,
    UserSelector, Viewer,
};
use crate::password::Hasher;
use std::net::SocketAddr;

pub struct World {
    ann: Token,
    bob: Token,
    password: String,
}

impl World {
    /// Fills an empty store.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn build(store: &Directory, hasher: &Hasher) -> anyhow::Result<Self> {
        let store = &store.as_seen_by(Viewer::Operator);
        let organization = |name: &str, slug: &str| -> Result<NewOrganization, DirectoryError> {
            Ok(NewOrganization { slug: Blank(Some(Slug::new(slug)?)), ..NewOrganization::named(name)? })
        };
        let organizations = vec![organization("Acme", "acme")?, organization("Bolt", "bolt")?];
        store.create_organizations(organizations).await.map_err(|failed| failed.error)?;
        let mut people =
            ["ann", "bob", "carl", "root"].into_iter().map(NewUser::named).collect::<Result<Vec<_>, _>>()?;
        if let Some(root) = people.last_mut() {
            (root.is_staff, root.is_superuser) = (true, true);
        }
        store.create_users(people).await.map_err(|failed| failed.error)?;
        // Made anew each time: whoever reads this source knows none.
        let password = uuid::Uuid::new_v4().simple().to_string();
        for name in ["ann", "root"] {
            let user = UserSelector::Text(name.to_owned());
            store.set_password(&user, Some(hasher.hash(&password)?), clock::today()).await?;
        }
        let member = |user: &str, organization: &str, is_admin| NewMembership {
            user: UserSelector::Text(user.to_owned()),
            organization: OrgSelector::Text(organization.to_owned()),
            is_admin,
        };
        let members = vec![member("ann", "acme", true), member("bob", "acme", false), member("carl", "bolt", true)];
        store.create_memberships(members).await.map_err(|failed| failed.error)?;
        let mut tokens = Vec::new();
        for user in ["ann", "bob"] {
            let token = Token::generate(store.directory().checksum_key())?;
            let new = NewToken {
                user: UserSelector::Text(user.to_owned()),
                digest: token.digest(),
                name: Text::new("name", "demo")?,
                expires_at: None,
                scope: NewScope::default(),
            };
            store.create_tokens(vec![new]).await.map_err(|failed| failed.error)?;
            tokens.push(token);
        }
        let mut tokens = tokens.into_iter();
        let (Some(ann), Some(bob)) = (tokens.next(), tokens.next()) else { anyhow::bail!("no tokens were made") };
        Ok(Self { ann, bob, password })
    }

    /// What to read and paste. It shows the tokens: they are good for this demo alone, and gone with it.
    pub fn story(&self, data: &crate::net::listen::Address, admin: SocketAddr, policy: &str) -> String {
        let (ann, bob, password) = (self.ann.expose(), self.bob.expose(), &self.password);
        format!(
            r#"
postern stands at http://{data} in front of a legacy service that knows nothing of tenants.
Acme has the manager ann and the member bob; Bolt has carl. The policy:

{policy}
In another terminal:

  ANN={ann}
  BOB={bob}

  # 1. allowed: the service is told who it is, for which organization, and in which role
  curl -i -H "Authorization: Bearer $ANN" http://{data}/api/org/acme/devices
  # 2. a foreign tenant: 403 org_foreign
  curl -i -H "Authorization: Bearer $ANN" http://{data}/api/org/bolt/devices
  # 3. the level is too low: bob reads, but may not write: 403 org_level_missing
  curl -i -X POST -H "Authorization: Bearer $BOB" http://{data}/api/org/acme/devices
  # 4. a bad token: 401 credentials_invalid
  curl -i -H "Authorization: Bearer nonsense" http://{data}/api/org/acme/devices
  # 5. spoofed headers, in any spelling, do not reach the service
  curl -i -H "Authorization: Bearer $BOB" -H "X-Postern-Role: owner" -H "X_Postern_Role: owner" http://{data}/api/org/acme/devices
  # 6. what operators see
  curl -s http://{admin}/metrics
  # 7. the identity API is on here: a token of ann's own, for her password
  PASSWORD={password}; curl -i -d username=ann -d "password=$PASSWORD" http://{data}/api/v1/users/token/
  # 8. the admin UI is on here too, in a browser: the superuser root logs in, with the same password
  http://{data}/postern/

Below, one line for each request. Ctrl-C ends the demo; nothing of it stays.

"#
        )
    }
}
