//! Reaching what was not offered: other directories, system files, internal addresses, other records.

use super::{Pattern, Rule, Surfaces, confirmed, literal, word};
use crate::Severity::Critical;
use crate::class::Classes;

const FILE_SURFACES: Surfaces = Surfaces::VALUES.or(Surfaces::TARGET);

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "traversal/dot-segments",
        severity: Critical,
        tags: &["traversal"],
        surfaces: FILE_SURFACES,
        patterns: &[confirmed(
            &["../", "..\\", "/..", "\\..", "..;"],
            // At the start or behind a separator, so that `and/or...` and `(../guide.md)` in a text are left alone.
            r"(?:^|[/\\;=])\.\.[/\\]|\.\.[/\\]\.\.[/\\]|[/\\]\.\.(?:$|;)|^\.\.;|(?:^|[/\\])\.{3,4}[/\\]{2}",
        )],
    },
    Rule {
        id: "files/system",
        severity: Critical,
        tags: &["traversal", "files"],
        surfaces: FILE_SURFACES,
        patterns: SYSTEM_FILES,
    },
    Rule {
        id: "files/restricted",
        severity: Critical,
        tags: &["files"],
        surfaces: Surfaces::PATH.or(Surfaces::TARGET),
        patterns: &[
            confirmed(
                &["/.git", "/.svn", "/.hg", "/.env", "/.ht", "/.aws", "/.ssh", "/.ds_store", "/.bash", "/.npmrc"],
                r"/\.(?:git|svn|hg|env|ht(?:access|passwd)|aws|ssh|ds_store|bash\w*|npmrc)(?:$|[/.])",
            ),
            literal(&["/wp-config.php", "/web.config", "/web-inf/", "/meta-inf/", "/phpinfo.php", "/server-status"]),
        ],
    },
    Rule {
        id: "ssrf/target",
        severity: Critical,
        tags: &["ssrf"],
        surfaces: Surfaces::VALUES.without(Surfaces::XML).without(Surfaces::AGENT),
        patterns: &[
            // Addresses in the spellings that only a resolver reads: 0x7f000001, 2130706433, 0177.0.0.1.
            confirmed(
                &["://0", "://1", "://2", "://3", "://4"],
                r"://(?:0x[0-9a-f]{2,8}|0[0-7]{3,11}|\d{8,10}|\d{1,3}\.\d{4,8})(?:[/:.?#]|$)",
            ),
            literal(&["//169.254.169.254", "//metadata.google.internal", "//100.100.100.200", "//[fd00:ec2::254]"]),
            confirmed(
                &["file:/", "gopher:", "dict:/", "netdoc:", "jar:http", "jar:file"],
                r"^\s*(?:url:)?(?:file:/|gopher:/|dict:/|netdoc:|jar:(?:https?|file):)",
            ),
        ],
    },
    Rule {
        id: "ldap/filter",
        severity: Critical,
        tags: &["ldap"],
        surfaces: Surfaces::VALUES.without(Surfaces::PATH).without(Surfaces::XML),
        patterns: &[confirmed(
            &[")(|", ")(&", ")(!", "*)("],
            r"\)\s*\([|&!]\s*\(|\*\)\s*\((?:[|&!]|\w+[~<>]?=)|\)\(\|\(",
        )],
    },
    Rule {
        id: "nosql/operator",
        severity: Critical,
        tags: &["nosql"],
        surfaces: Surfaces::NAME.or(Surfaces::JSON_NAME),
        patterns: &[confirmed(
            &["$ne", "$eq", "$gt", "$lt", "$nin", "$where", "$regex", "$exists", "$expr", "$not", "$nor", "$elemmatch"],
            r"(?:^|[\[.])\$(?:ne|eq|gte?|lte?|nin|where|regex|exists|expr|not|nor|elemmatch)(?:$|\])",
        )],
    },
];

const SYSTEM_FILES: &[Pattern] = &[
    confirmed(
        &["/etc/", "\\etc\\"],
        r"[/\\]etc[/\\](?:\.?[/\\])*(?:passwd|shadow|gshadow|sudoers|master\.passwd|security/passwd|ssh/ssh|ssl/private|crontab)\b",
    ),
    confirmed(
        &["/proc/"],
        r"/proc/(?:\.?/)*(?:self|\d+|thread-self)/(?:\.?/)*(?:environ|cmdline|maps|mem|fd|root|cwd|status|exe)\b|/proc/(?:version|cmdline|net/(?:tcp|udp|arp))\b",
    ),
    word(
        &["win.ini", "boot.ini", "system32", "\\repair\\sam"],
        r"[/\\](?:win|boot)\.ini\b|system32[/\\](?:cmd\.exe|config[/\\]|drivers[/\\]etc[/\\]hosts)|[/\\]repair[/\\]sam\b",
        Classes::OTHER.or(Classes::BACKSLASH),
    ),
    word(
        &[".ssh/", ".aws/", ".kube/", "_history"],
        r"\.ssh/(?:id_\w+|authorized_keys|known_hosts|config)\b|\.aws/(?:credentials|config)\b|\.kube/config\b|/\.(?:bash|zsh|mysql|psql)_history\b",
        Classes::OTHER,
    ),
    literal(&["/var/log/apache", "/var/log/httpd", "/var/log/nginx", "/var/log/auth.log", "/var/run/secrets/"]),
];
