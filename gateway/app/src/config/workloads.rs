//! Each tenant's issuers of programs' tokens: one file a tenant, in the directory that `[workloads]` names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cedargate_identity::ServiceAccountName;
use cedargate_idp_adapters::connection::{ClaimMatch, ClaimPath};
use cedargate_idp_adapters::oidc::{OidcIssuer, ProviderUrl};
use cedargate_idp_adapters::workload::{
    KeySource, LEEWAY_MAX, LIFETIME_MAX, PinnedKeys, WorkloadAlgorithm, WorkloadSettings,
};
use cedargate_model::{ConnectionName, TenantName};

use super::connections::read_bounded;
use super::environment::Environment;
use super::key::{Fallback, Key, Shape, Table};
use super::mistake::{Mistakes, Noted};
use super::section::{Document, Section};

pub(crate) const TABLE: Table = Table {
    header: "[workloads]",
    about: "Programs that an issuer elsewhere vouches for: a CI system's jobs, a cluster's pods. What a file in the directory says is in \
            [workloads.md](workloads.md).",
    keys: &[DIR],
};

const DIR: Key = Key {
    name: "dir",
    shape: Shape::Path,
    fallback: Fallback::Words("no issuer elsewhere vouches for anybody"),
    environment: None,
    about: "A directory with one file for each tenant that has such issuers, `TENANT.toml`. A change takes effect by itself once every \
            file in it is without mistake; until then, what was live before stays.",
};

/// The tables of a tenant's file, in the order of their reference page.
pub(super) const FILE_TABLES: &[Table] = &[ISSUER_TABLE, REQUIRE_TABLE];

const ISSUER_TABLE: Table = Table {
    header: "[[issuer]]",
    about: "What vouches for programs, for which of them, and as which service account they are known. Several tables may be of one issuer, \
            for other programs each; an assertion that fits two of them is refused.",
    keys: &[
        NAME,
        ISSUER,
        AUDIENCE,
        JWKS_URL,
        JWKS_FILE,
        ALGORITHMS,
        SERVICE_ACCOUNT,
        LIFETIME_MAX_SECONDS,
        LEEWAY_SECONDS,
        ONCE,
        AT_THE_DOOR,
    ],
};
const REQUIRE_TABLE: Table = Table {
    header: "[[issuer.require]]",
    about: "What an assertion must say. There is at least one, and all of them must hold: of an issuer that is open to the public, anybody \
            has assertions.",
    keys: &[CLAIM, VALUE],
};

const NAME: Key = Key {
    name: "name",
    shape: Shape::Text("1 to 32 of a-z, 0-9 and `-`"),
    fallback: Fallback::Required,
    environment: None,
    about: "What the record calls it.",
};
const ISSUER: Key = Key {
    name: "issuer",
    shape: Shape::Text("a URL, exactly as the issuer writes it"),
    fallback: Fallback::Required,
    environment: None,
    about: "What `iss` must be, octet for octet. Unless `jwks_url` or `jwks_file` says otherwise, its keys are where \
            `ISSUER/.well-known/openid-configuration` says, which must name the same issuer.",
};
const AUDIENCE: Key = Key {
    name: "audience",
    shape: Shape::Text("1 to 512 characters"),
    fallback: Fallback::Words("the tenant's own address, `https://TENANT.GATEWAY`"),
    environment: None,
    about: "What `aud` must be, alone: an assertion that is for others, too, may be shown here by any of them. No two tenants share one of an \
            issuer.",
};
const JWKS_URL: Key = Key {
    name: "jwks_url",
    shape: Shape::Text("a URL"),
    fallback: Fallback::Words("by discovery"),
    environment: None,
    about: "Where its keys are, for an issuer that has no discovery. `https://`; plain HTTP only on this machine.",
};
const JWKS_FILE: Key = Key {
    name: "jwks_file",
    shape: Shape::Path,
    fallback: Fallback::Words("by discovery"),
    environment: None,
    about: "A JSON Web Key Set with its keys: nothing is fetched. For a cluster whose issuer cannot be reached. Beside the tenant's file, a \
            change takes effect by itself.",
};
const ALGORITHMS: Key = Key {
    name: "algorithms",
    shape: Shape::Texts("an algorithm"),
    fallback: Fallback::Value(r#"["RS256", "ES256"]"#),
    environment: None,
    about: "What it may sign with: `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384` or `EdDSA`. There is none with a \
            secret, and none without a signature.",
};
const SERVICE_ACCOUNT: Key = Key {
    name: "service_account",
    shape: Shape::Text("a service account's name"),
    fallback: Fallback::Required,
    environment: None,
    about: "As whom its programs are known. While there is no such account, or it is disabled, they are refused.",
};
const LIFETIME_MAX_SECONDS: Key = Key {
    name: "lifetime_max_seconds",
    shape: Shape::Integer { min: 1, max: LIFETIME_MAX.as_secs() },
    fallback: Fallback::Value("3600"),
    environment: None,
    about: "How long an assertion may count, from its `iat` to its `exp`. One that counts for longer is refused, also while it is young.",
};
const LEEWAY_SECONDS: Key = Key {
    name: "leeway_seconds",
    shape: Shape::Integer { min: 0, max: LEEWAY_MAX.as_secs() },
    fallback: Fallback::Value("30"),
    environment: None,
    about: "How far the issuer's clock may be off.",
};
const ONCE: Key = Key {
    name: "once",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Whether each assertion counts once, by its `jti`, at all gateways of a store. A pod shows the same one for as long as it \
            counts; a CI job can ask for one each time.",
};
const AT_THE_DOOR: Key = Key {
    name: "at_the_door",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Whether its assertions let in at every address of the tenant as they are, in `Authorization: Bearer`, and not only by exchange at \
            `/auth/token`. By the same rules; with `once`, each lets one request in.",
};
const CLAIM: Key = Key {
    name: "claim",
    shape: Shape::Text("a claim's name, or a pointer to a nested one"),
    fallback: Fallback::Required,
    environment: None,
    about: "Where to look: a name such as `sub`, taken literally, or a JSON pointer (RFC 6901) such as `/kubernetes.io/namespace`, in \
            which `~1` is a slash within a name.",
};
const VALUE: Key = Key {
    name: "value",
    shape: Shape::Text("1 to 512 characters"),
    fallback: Fallback::Required,
    environment: None,
    about: "What the claim must be, exactly; of a list, what one of its entries must be. `true` and `false` also stand for JSON's own.",
};

/// How many issuers a tenant may have, and how many rules each.
const ISSUERS_MAX: usize = 100;
const RULES_MAX: usize = 50;

/// The longest key set that is read from a file, in octets.
const JWKS_BYTES_MAX: u64 = 512 * 1024;

/// `[workloads]`, checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkloadFiles {
    pub(crate) dir: Option<PathBuf>,
}

/// Every tenant's issuers, as configured.
pub(crate) type TenantWorkloads = BTreeMap<TenantName, Vec<WorkloadSettings>>;

/// Why there are no issuers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkloadsError {
    #[error("the issuers of programs in `{}` cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("mistakes in the issuers of programs\n{0}")]
    Mistaken(Mistakes),
}

impl WorkloadFiles {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let dir = section.optional_path(&DIR);
        section.finish();
        Ok(Self { dir: dir? })
    }

    /// Reads every tenant's file. All mistakes of all files are said at once.
    ///
    /// # Errors
    /// [`WorkloadsError`].
    pub(crate) fn load(&self, environment: &Environment) -> Result<TenantWorkloads, WorkloadsError> {
        let Some(dir) = &self.dir else { return Ok(BTreeMap::new()) };
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| WorkloadsError::Unreadable { path, source }
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(dir).map_err(unreadable(dir))? {
            let path = entry.map_err(unreadable(dir))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                files.push(path);
            }
        }
        files.sort();
        let (mut tenants, mut mistakes) = (BTreeMap::new(), Mistakes::default());
        for path in files {
            let text = read_bounded(&path).map_err(unreadable(&path))?;
            let document = Document::new(&path, &text, environment);
            let read = read_file(&document, &path, &tenants);
            mistakes.extend(document.into_mistakes());
            if let Ok((tenant, issuers)) = read {
                tenants.insert(tenant, issuers);
            }
        }
        if mistakes.is_empty() { Ok(tenants) } else { Err(WorkloadsError::Mistaken(mistakes)) }
    }
}

fn read_file(
    document: &Document<'_>,
    path: &Path,
    tenants: &TenantWorkloads,
) -> Result<(TenantName, Vec<WorkloadSettings>), Noted> {
    let mut top = document.parse()?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let tenant = TenantName::parse(&stem)
        .map_err(|error| top.complain_of_table(format!("the file is named for its tenant, and {error}")));
    let sections = top.sections("issuer");
    top.finish();
    let mut issuers: Vec<WorkloadSettings> = Vec::new();
    let mut whole = Ok(());
    // Every issuer is read before the first one with a mistake ends it.
    for section in sections? {
        match issuer(section, &issuers, tenants) {
            Ok(issuer) => issuers.push(issuer),
            Err(Noted) => whole = Err(Noted),
        }
    }
    whole.and_then(|()| Ok((tenant?, issuers)))
}

fn issuer(
    mut section: Section<'_, '_>,
    others: &[WorkloadSettings],
    tenants: &TenantWorkloads,
) -> Result<WorkloadSettings, Noted> {
    let name = section.text(&NAME, ConnectionName::parse);
    let issuer = section.text(&ISSUER, |text| bounded(text, 512));
    let audience = section.optional_text(&AUDIENCE, |text| bounded(text, 512));
    let keys = keys(&mut section, issuer.as_deref().ok());
    let algorithms = section.texts(&ALGORITHMS, |text| {
        WorkloadAlgorithm::named(text).ok_or("no such algorithm, or one that nobody may use here")
    });
    let service_account = section.text(&SERVICE_ACCOUNT, ServiceAccountName::parse);
    let lifetime_max = section.integer(&LIFETIME_MAX_SECONDS);
    let leeway = section.integer(&LEEWAY_SECONDS);
    let once = section.switch(&ONCE);
    let at_the_door = section.switch(&AT_THE_DOOR);
    let required = rules(&mut section);
    let beside = match &name {
        Ok(name) if others.iter().any(|other| other.name == *name) => {
            Err(section.complain(&NAME, format!("there is an issuer `{name}` already")))
        }
        Ok(_) if others.len() >= ISSUERS_MAX => {
            Err(section.complain_of_table(format!("a tenant has at most {ISSUERS_MAX} issuers")))
        }
        _ => Ok(()),
    };
    // One assertion would count in both, and be spent in each.
    let shared = match (&issuer, &audience) {
        (Ok(issuer), Ok(Some(audience))) => {
            let is_same =
                |other: &WorkloadSettings| other.issuer == *issuer && other.audience.as_ref() == Some(audience);
            tenants.iter().find(|(_, issuers)| issuers.iter().any(is_same)).map(|(tenant, _)| tenant)
        }
        _ => None,
    };
    let apart = match shared {
        Some(tenant) => {
            let message = format!(
                "the tenant `{tenant}` takes this issuer's assertions for the same audience; give each tenant its own"
            );
            Err(section.complain(&AUDIENCE, message))
        }
        None => Ok(()),
    };
    let algorithms = algorithms.and_then(|algorithms: Vec<_>| match algorithms.is_empty() {
        true => Err(section.complain(&ALGORITHMS, "without any, nothing is ever verified")),
        false => Ok(algorithms),
    });
    section.finish();
    beside?;
    apart?;
    Ok(WorkloadSettings {
        name: name?,
        issuer: issuer?,
        audience: audience?,
        keys: keys?,
        algorithms: algorithms?,
        required: required?,
        service_account: service_account?,
        lifetime_max: Duration::from_secs(lifetime_max?),
        leeway: Duration::from_secs(leeway?),
        once: once?,
        at_the_door: at_the_door?,
    })
}

fn keys(section: &mut Section<'_, '_>, issuer: Option<&str>) -> Result<KeySource, Noted> {
    let document = section.document;
    let url = section.optional_text(&JWKS_URL, ProviderUrl::parse);
    let file = section.optional_text(&JWKS_FILE, |path| {
        let path = document.resolve(path);
        let text = read_key_set(&path).map_err(|error| format!("cannot be read: {error}"))?;
        PinnedKeys::parse(&text).map_err(|error| error.to_string())
    });
    match (url?, file?) {
        (None, None) => {
            let discovered = issuer.map(OidcIssuer::parse).ok_or(Noted)?;
            discovered.map(KeySource::Discovery).map_err(|error| section.complain(&ISSUER, error.to_string()))
        }
        (Some(url), None) => Ok(KeySource::Url(url)),
        (None, Some(keys)) => Ok(KeySource::Pinned(keys)),
        (Some(_), Some(_)) => Err(section.complain(&JWKS_FILE, "there is a `jwks_url` already; leave one out")),
    }
}

fn read_key_set(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    fs::File::open(path)?.take(JWKS_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn rules(section: &mut Section<'_, '_>) -> Result<Vec<ClaimMatch>, Noted> {
    let sections = section.sections("require")?;
    if !(1..=RULES_MAX).contains(&sections.len()) {
        let message = format!(
            "write 1 to {RULES_MAX} tables `[[issuer.require]]`: without any, whatever the issuer signs for this audience would do"
        );
        return Err(section.complain_of_table(message));
    }
    let read = sections.into_iter().map(|mut section| {
        let claim = section.text(&CLAIM, ClaimPath::parse);
        let value = section.text(&VALUE, |text| bounded(text, 512));
        section.finish();
        Ok(ClaimMatch { claim: claim?, value: value? })
    });
    read.collect::<Vec<_>>().into_iter().collect()
}

fn bounded(text: &str, characters_max: usize) -> Result<String, String> {
    let fits = (1..=characters_max).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(format!("write 1 to {characters_max} characters on one line")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<TenantWorkloads, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("acme.toml"), text).unwrap();
        fs::write(dir.path().join("empty.json"), r#"{"keys":[]}"#).unwrap();
        let files = WorkloadFiles { dir: Some(dir.path().to_owned()) };
        files.load(&Environment::default()).map_err(|error| error.to_string())
    }

    const GOOD: &str = r#"
[[issuer]]
name = "ci"
issuer = "https://token.ci.example"
service_account = "deployer"
[[issuer.require]]
claim = "sub"
value = "repo:acme/shop:ref:refs/heads/main"
"#;

    #[test]
    fn an_issuer_is_read_with_its_defaults() {
        let tenants = load(GOOD).unwrap();
        let issuer = &tenants[&TenantName::parse("acme").unwrap()][0];
        assert_eq!(issuer.algorithms, [WorkloadAlgorithm::Rs256, WorkloadAlgorithm::Es256]);
        assert_eq!((issuer.lifetime_max.as_secs(), issuer.leeway.as_secs(), issuer.once), (3_600, 30, false));
        assert!(matches!(issuer.keys, KeySource::Discovery(_)) && issuer.audience.is_none());
    }

    #[test]
    fn one_audience_of_an_issuer_is_one_tenants() {
        let dir = tempfile::tempdir().unwrap();
        let of =
            |audience: &str| GOOD.replace("service_account", &format!("audience = \"{audience}\"\nservice_account"));
        let load = |acme: &str, globex: &str| {
            fs::write(dir.path().join("acme.toml"), of(acme)).unwrap();
            fs::write(dir.path().join("globex.toml"), of(globex)).unwrap();
            let files = WorkloadFiles { dir: Some(dir.path().to_owned()) };
            files.load(&Environment::default()).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(load("one", "two"), Ok(()));
        let refused = load("one", "one").unwrap_err();
        assert!(refused.contains("globex.toml") && refused.contains("the tenant `acme`"), "{refused}");
    }

    #[test]
    fn each_mistake_is_refused() {
        for (from, to, expected) in [
            (
                "[[issuer.require]]\nclaim = \"sub\"\nvalue = \"repo:acme/shop:ref:refs/heads/main\"",
                "",
                "[[issuer.require]]",
            ),
            ("service_account", "algorithms = [\"HS256\"]\nservice_account", "no such algorithm"),
            ("service_account", "algorithms = [\"none\"]\nservice_account", "no such algorithm"),
            ("service_account", "algorithms = []\nservice_account", "nothing is ever verified"),
            ("service_account", "jwks_url = \"http://ci.example/keys\"\nservice_account", "https://"),
            ("service_account", "jwks_url = \"https://169.254.169.254/keys\"\nservice_account", "no provider is at"),
            ("service_account", "jwks_file = \"missing.json\"\nservice_account", "cannot be read"),
            ("service_account", "jwks_file = \"empty.json\"\nservice_account", "JSON Web Key Set"),
            ("service_account = \"deployer\"", "service_account = \"De Ployer\"", "service account"),
            ("service_account = \"deployer\"", "", "service_account"),
            ("issuer = \"https://token.ci.example\"", "issuer = \"ci\"", "https://"),
            ("service_account", "lifetime_max_seconds = 100000\nservice_account", "86400"),
            ("service_account", "trusted = true\nservice_account", "trusted"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let mistakes = load(&text).unwrap_err();
            assert!(mistakes.contains(expected), "{expected}: {mistakes}");
        }
        assert!(load(&format!("{GOOD}{GOOD}")).unwrap_err().contains("already"));
    }
}
