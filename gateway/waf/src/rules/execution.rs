//! Running commands and evaluating templates.

use super::{Pattern, Rule, Surfaces, confirmed, literal, word};
use crate::Severity::Critical;
use crate::class::Classes;

/// Commands are passed in values; in XML and in paths their marks mean other things.
const COMMAND_SURFACES: Surfaces = Surfaces::VALUES.without(Surfaces::XML).without(Surfaces::PATH);

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "command/shell",
        severity: Critical,
        tags: &["command", "rce"],
        surfaces: COMMAND_SURFACES.without(Surfaces::AGENT),
        patterns: SHELL,
    },
    Rule {
        id: "command/interpreter",
        severity: Critical,
        tags: &["command", "rce"],
        surfaces: COMMAND_SURFACES,
        patterns: INTERPRETER,
    },
    Rule {
        id: "command/shellshock",
        severity: Critical,
        tags: &["command", "rce"],
        surfaces: COMMAND_SURFACES.or(Surfaces::HEADER),
        patterns: &[confirmed(&["()"], r"^\s*\(\)\s*\{")],
    },
    Rule {
        id: "template/expression",
        severity: Critical,
        tags: &["template", "rce"],
        surfaces: Surfaces::VALUES.or(Surfaces::HEADER),
        patterns: EXPRESSIONS,
    },
    Rule {
        id: "template/lookup",
        severity: Critical,
        tags: &["template", "rce"],
        surfaces: Surfaces::VALUES.or(Surfaces::HEADER),
        patterns: &[confirmed(
            &["${"],
            // `${jndi:...}`, and the lookups that hide it: `${lower:j}`, `${::-j}`, `${env:X:-j}`.
            r"\$\{\s*(?:jndi|lower|upper|env|sys|java|ctx|date|main|base64|k8s|docker|bundle|web|spring|sd|map|marker|event|log4j|jvmrunargs)\s*:|\$\{\s*:{1,2}-|\$\{script:",
        )],
    },
];

// Commands whose names are no ordinary words: a joining mark before them and an end or an argument behind is enough.
const SHELL: &[Pattern] = &[
    word(
        &[
            "wget",
            "curl",
            "chmod",
            "chown",
            "bash",
            "/sh",
            "zsh",
            "ncat",
            "netcat",
            "nc ",
            "powershell",
            "pwsh",
            "cmd",
            "whoami",
            "ifconfig",
            "ipconfig",
            "nslookup",
            "netstat",
            "uname",
            "printenv",
            "crontab",
            "mkfifo",
            "nohup",
            "sudo",
            "systemctl",
            "tcpdump",
            "traceroute",
            "ping",
            "ls",
            "ps",
            "rm",
            "cp",
            "mkdir",
            "rmdir",
            "awk",
            "sed",
            "grep",
            "xargs",
            "base64",
            "xxd",
            "busybox",
            "certutil",
            "bitsadmin",
            "regsvr32",
            "rundll32",
            "wmic",
            "schtasks",
            "dig",
            "tasklist",
            "systeminfo",
        ],
        concat!(
            r"(?:;|\|\|?|&&?|\$\(|<\(|>\()\s*[({]?\s*(?:sudo\s+)?(?:/(?:usr/)?(?:local/)?s?bin/)?",
            r"(?:wget|curl|chmod|chown|(?:ba|z)?sh|ncat|netcat|nc|powershell|pwsh|cmd|whoami|ifconfig|ipconfig|nslookup",
            r"|netstat|uname|printenv|crontab|mkfifo|nohup|sudo|systemctl|tcpdump|traceroute|ping|ls|ps|rm|cp|mkdir|rmdir",
            r"|g?awk|sed|[ef]?grep|xargs|base64|xxd|busybox|certutil|bitsadmin|regsvr32|rundll32|wmic|schtasks|dig",
            r"|tasklist|systeminfo)(?:\.exe)?",
            r#"(?:\s*$|\s*[;|&<>)}`]|\s+(?:[-/]\w|[/~$*"'.]|\S*[/\\=]|\w[\w-]*\.\w))"#,
        ),
        Classes::SHELL,
    ),
    // Commands that are English words too: only with an argument that is no English, or where they stand for a value.
    word(
        &[
            "cat", "find", "id", "date", "head", "tail", "sort", "more", "less", "kill", "echo", "env", "set", "type",
            "dir", "sleep", "print", "dd ", "host", "python", "perl", "ruby", "php", "node", "tee", "tar", "ssh",
            "scp", "ftp", "telnet", "touch", "mv", "ln", "who", "w", "su", "pwd", "java", "nice", "cut", "tr", "file",
            "net",
        ],
        concat!(
            r"(?:;|\|\|?|&&?|\$\(|<\(|>\()\s*[({]?\s*(?:/(?:usr/)?(?:local/)?s?bin/)?",
            r"(?:(?:cat|find|head|tail|sort|more|less|kill|echo|env|type|dir|print|dd|host|python[23]?|perl|ruby|php|node",
            r"|tee|tar|ssh|scp|t?ftp|telnet|touch|mv|ln|cut|tr|file|net|java)",
            r"\s*(?:\s-{1,2}\w|\s[/~$*]|<\s*/|\$@|\s\S*[/\\])|sleep\s+\d+\s*(?:$|[;|&)`#])|(?:pwd|id|who|env|dir)\s*\)",
            r"|net\s+(?:user|localgroup|view|share)\b)",
        ),
        Classes::SHELL,
    ),
    word(
        &["id", "who", "w", "env", "set", "dir", "date", "pwd", "cat", "type", "ps", "top"],
        // `127.0.0.1;id`, but not the column list `name;id`.
        r#"(?:^|[0-9'")])\s*(?:;|\|\|?|&&?|\n)\s*(?:id|whoami|who|w|env|set|dir|date|pwd|ps|top)\s*(?:$|[;&#])"#,
        Classes::SHELL.or(Classes::OTHER),
    ),
    // A back-tick begins a command where it does not begin code in a text: the whole value, or within a word.
    confirmed(
        &["`"],
        concat!(
            r#"(?:^|[=;|&$,'"]|\w)`\s*(?:/(?:usr/)?s?bin/)?(?:cat|ls|id|whoami|wget|curl|ping|sleep|echo|uname|nslookup|dig|nc"#,
            r"|bash|sh|python[23]?|perl|ruby|php|env|pwd|ps|rm|cp|mv|find|host)\b[^`]*`\s*(?:$|[;|&])",
        ),
    ),
];

const INTERPRETER: &[Pattern] = &[
    word(&["/c", "cmd"], r"\bcmd(?:\.exe)?\s*/[ck]\b", Classes::OTHER),
    word(
        &["powershell", "pwsh"],
        r"\b(?:powershell|pwsh)(?:\.exe)?\s+-(?:e|en|enc|encodedcommand|c|command|nop|noprofile|w|windowstyle|ep|executionpolicy|exec|version)\b",
        Classes::LOUD,
    ),
    confirmed(
        &["/bin/"],
        r"(?:^\s*|[;|&<>]\s*|\$\(\s*|\s-e\s+)/(?:usr/)?(?:local/)?s?bin/(?:(?:ba|z|k|c|tc|da|a|fi)?sh|cat|nc|ls|id|echo|python\d?|perl|wget|curl|uname|whoami)\b|/bin/(?:ba|z|k|c|tc|da|a|fi)?sh\s+-[ic]\b",
    ),
    literal(&["/dev/tcp/", "/dev/udp/", "${ifs", "$ifs"]),
    // Names with single characters left open, which only a shell fills in: `/???/c?t`, `/[e]tc`.
    confirmed(&["?/", "/?", "/["], r"/\w*\?[\w?]*/\w*\?|/\w*\[[\w?]\]\w*[/ ]"),
    word(&["for"], r"\bfor\s+(?:/[a-z]\s[^%]*)?%{1,2}[\w-]+\s+in\s*\(", Classes::PERCENT),
    word(&["bash"], r"\bbash\s+-[ic]\b", Classes::LOUD),
    word(&["nc -", "rm -"], r"\bnc\s+-[a-z]*e\b|\brm\s+-[rf]{2,3}\s+[/~*.]", Classes::LOUD),
];

const EXPRESSIONS: &[Pattern] = &[
    confirmed(
        &["{{"],
        r#"\{\{[^{}]*(?:\d\s*[*+]\s*['"]?\d|__\w+__|\.constructor\b|\bconstructor\.|\b(?:self|config|cycler|joiner|lipsum|request|namespace|dump|app)\s*(?:[(|\[]|\.(?:application|items|__|_|request|environment|from_object))|\|\s*attr\s*\(|\bpopen\b|\bsystem\b)"#,
    ),
    confirmed(
        &["${", "#{", "*{", "@{", "~{"],
        r"[$#*@~]\{[^{}]*(?:\d\s*[*+]\s*\d|\bT\(|\.getclass\b|\bjava\.|runtime\b|\.exec\(|processbuilder|\bsystem\(|`)",
    ),
    confirmed(
        &["<%"],
        r"<%[=@!#-]?[^%]*(?:\d\s*[*]\s*\d|\bsystem\b|\bexec\b|runtime|\beval\b|\bopen\b|file\.|io\.|dir\.|require\b)",
    ),
    confirmed(&["{%"], r"\{%-?\s*(?:import|include|extends|macro|debug|set|for|if|raw|call|with|import)\b"),
    confirmed(&["#set"], r"#set\s*\(\s*\$\w+\s*="),
    confirmed(&["%{"], r"%\{\s*(?:\(|#|@|\d+\s*[*+-])"),
    confirmed(&["@{"], r"@\{\s*\["),
    confirmed(&["<!--#"], r"<!--#\s*(?:exec|include|echo|set|config|printenv|fsize|flastmod|if)\b"),
    confirmed(&["@("], r"@\(\s*\d+\s*[*+-]\s*\d+\s*\)"),
];
