//! Code of a language that a service may run, and SQL that libinjection's fingerprints do not know.

use super::{Pattern, Rule, Surfaces, confirmed, literal, word};
use crate::Severity::Critical;
use crate::class::Classes;

const CODE_SURFACES: Surfaces = Surfaces::VALUES;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "code/php",
        severity: Critical,
        tags: &["code", "rce"],
        surfaces: CODE_SURFACES.without(Surfaces::XML),
        patterns: PHP,
    },
    Rule {
        id: "code/php-tag",
        severity: Critical,
        tags: &["code", "rce"],
        surfaces: CODE_SURFACES.or(Surfaces::OPAQUE),
        patterns: &[literal(&["<?php", "<script language=\"php\""])],
    },
    Rule {
        id: "code/java",
        severity: Critical,
        tags: &["code", "rce"],
        surfaces: CODE_SURFACES.or(Surfaces::HEADER),
        patterns: &[
            literal(&[
                "java.lang.runtime",
                "java.lang.processbuilder",
                "java.lang.class",
                "javax.script.scriptengine",
                "class.module.classloader",
                "class.classloader",
                ".getclass().forname",
                ".getruntime(",
                "#_memberaccess",
                "ognl.ognlcontext",
                "@java.",
                "com.opensymphony.xwork2",
                "org.apache.commons.collections.functors",
            ]),
            confirmed(&["(java."], r"\bT\(java\."),
            word(
                &[
                    "clonetransformer",
                    "instantiatetransformer",
                    "invokertransformer",
                    "instantiatefactory",
                    "forclosure",
                    "whileclosure",
                    "prototypeclonefactory",
                    "prototypeserializationfactory",
                ],
                r"\b(?:runtime|processbuilder|functors)\W",
                Classes::LOUD,
            ),
        ],
    },
    Rule {
        id: "code/javascript",
        severity: Critical,
        tags: &["code", "rce"],
        surfaces: CODE_SURFACES.without(Surfaces::XML).without(Surfaces::AGENT),
        patterns: &[
            literal(&[
                "process.mainmodule",
                "process.binding",
                "global.process",
                "constructor.constructor(",
                "_$$nd_func$$_",
            ]),
            confirmed(
                &["require(", "import("],
                r#"\b(?:require|import)\s*\(\s*['"`](?:node:)?(?:child_process|fs|net|vm|os|http|https|module)['"`]"#,
            ),
            literal(&["[__proto__]", ".__proto__", "constructor[prototype]", "constructor.prototype"]),
            confirmed(&["this."], r"\bthis\.constructor\.constructor\b"),
        ],
    },
    Rule {
        id: "code/python",
        severity: Critical,
        tags: &["code", "rce"],
        surfaces: CODE_SURFACES.without(Surfaces::XML).without(Surfaces::AGENT),
        patterns: &[
            literal(&["__import__(", "os.system(", "os.popen(", ".__subclasses__", ".__globals__", ".__builtins__"]),
            confirmed(&["subprocess."], r"\bsubprocess\.(?:popen|call|run|check_output|check_call|getoutput)\b\s*\("),
        ],
    },
    Rule {
        id: "sqli/function",
        severity: Critical,
        tags: &["sqli"],
        surfaces: CODE_SURFACES.without(Surfaces::AGENT),
        patterns: SQL,
    },
];

const PHP: &[Pattern] = &[
    confirmed(
        &["php:/", "phar:/", "expect:/", "zip:/", "data:/", "glob:/", "ogg:/", "rar:/", "ssh2.", "zlib:"],
        r"\b(?:php://(?:std(?:in|out|err)|(?:in|out)put|fd|memory|temp|filter)|phar://|expect://|glob://|zip://|rar://|ogg://|ssh2\.\w+://|data://text|zlib:)",
    ),
    confirmed(&["$_", "$globals"], r"\$_(?:get|post|request|cookie|server|files|session|env)\b\s*[\[{]|\$globals\b"),
    word(
        &["eval", "assert", "system", "exec", "passthru", "popen", "include", "require"],
        r#"\b(?:eval|assert|system|exec|passthru|popen)\s*\(\s*(?:['"]|\$[_a-z]|@|base64_decode|gzinflate|str_rot13)|\b(?:include|require)(?:_once)?\b[\s('"]*\$_?[a-z]"#,
        Classes::OTHER,
    ),
    confirmed(&["<?"], r"<\?=|<\?\s+(?:php|echo|print|system|eval|exec)\b"),
    word(
        &[
            "shell_exec",
            "base64_decode",
            "phpinfo",
            "proc_open",
            "create_function",
            "file_get_contents",
            "file_put_contents",
            "call_user_func",
            "move_uploaded_file",
            "gzinflate",
            "str_rot13",
            "pcntl_exec",
            "preg_replace",
            "array_map",
            "allow_url_include",
            "auto_prepend_file",
        ],
        r"\b(?:shell_exec|base64_decode|phpinfo|proc_open|create_function|file_get_contents|file_put_contents|call_user_func(?:_array)?|move_uploaded_file|gzinflate|str_rot13|pcntl_exec|preg_replace|array_map)\s*\(|\b(?:allow_url_include|auto_prepend_file)\b\s*=",
        Classes::OTHER.or(Classes::EQUALS),
    ),
    confirmed(&[":{"], r#"\b[oc]:\d+:"[\w\\]+":\d+:\{"#),
];

const SQL: &[Pattern] = &[
    word(
        &[
            "sleep(",
            "benchmark(",
            "load_file(",
            "extractvalue(",
            "updatexml(",
            "xp_cmdshell",
            "dbms_pipe.",
            "utl_http.",
            "utl_inaddr.",
            "dbms_lock.",
            "xmltype(",
        ],
        r#"\bsleep\(\s*[\d(]|\bpg_sleep\(|\bbenchmark\(\s*\d|\bload_file\(\s*(?:['"]|0x|char)|\b(?:extractvalue|updatexml)\(\s*[^,)]*,|\bxp_cmdshell\b|\b(?:dbms_pipe|dbms_lock|utl_http|utl_inaddr)\.\w+\s*\("#,
        Classes::OTHER,
    ),
    confirmed(
        &["information_schema."],
        r"\binformation_schema\.(?:tables|columns|schemata|routines|user_privileges)\b",
    ),
    word(&["outfile", "dumpfile"], r#"\binto\s+(?:out|dump)file\s*['"]"#, Classes::QUOTE),
    word(&["waitfor"], r#"\bwaitfor\s+(?:delay|time)\s*['"]"#, Classes::QUOTE),
    word(
        &["union"],
        r#"\bunion(?:\s|/\*[^*]*\*/|\()+(?:(?:all|distinct)(?:\s|/\*[^*]*\*/|\()+)?select(?:\s|/\*[^*]*\*/|\()+(?:\d|null\b|['"*@]|char\(|concat|group_concat|\w+\s*(?:,|\(|\bfrom\b))"#,
        Classes::OTHER.or(Classes::QUOTE).or(Classes::EQUALS).or(Classes::JOIN),
    ),
    word(
        &["select", "insert", "update", "delete", "drop", "alter", "truncate", "create", "exec", "declare", "shutdown"],
        r"['\x22)\d]\s*;\s*(?:(?:select|insert|update|delete|drop|alter|truncate|create)\s+(?:\S+\s+)?(?:from|into|set|table|database|user|view)\b|select\s+(?:[\w@(*]|$)|exec(?:ute)?\s+\w+|declare\s+@|shutdown\b)",
        Classes::JOIN,
    ),
    word(
        &["drop", "truncate", "alter"],
        r"\*/\s*(?:drop|truncate|alter)\s+(?:table|database|schema|user|view)\b",
        Classes::OTHER,
    ),
    // JSON operators, which most detectors of SQL do not know.
    confirmed(&["::json"], r"'\s*::jsonb?\b"),
    word(
        &["json_extract", "json_array_length", "json_contains", "json_depth", "json_keys", "json_valid", "json_type"],
        r"\bjson_(?:extract|array_length|contains|depth|keys|valid|type)\s*\(",
        Classes::OTHER,
    ),
];
