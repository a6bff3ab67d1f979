#!/usr/bin/env bash
# Installs what Debian has and this purpose needs, saying what and why; does nothing where it is there already.
# Usage: deploy/packages.sh build|demo|test|bench|bench-waf
#
# Each row: the command (or a path with `*`) that shows that it is there, the Debian package, the purposes, the reason. Everything that
# belongs to a build is needed for the other purposes, too.
set -euo pipefail

rows=(
    "cc|gcc libc6-dev|build|links Rust programs; compiles the C of SQLite, ring, zstd and mimalloc"
    "make|make|build|builds zlib-ng, under cmake"
    "cmake|cmake|build|configures zlib-ng, which Pingora brings for compressed responses"
    "curl|curl|demo test|for the lines to try that the demo prints"
    "chromium|chromium|test|the browser in which the sign-in pages are tested"
    "chromedriver|chromium-driver|test|drives that browser"
    "npm|nodejs npm|test|installs and runs the OpenID provider that single sign-on is tested with, and axe-core, which judges pages"
    "/usr/share/simplesamlphp/www|php-cgi php-cli php-xml micro-httpd simplesamlphp|test|the SAML provider that single sign-on is tested with, by PHP's own server; named with what its package takes instead of Apache, and never runs"
    "/usr/include/xmlsec1|libxmlsec1-dev libxml2-dev libssl-dev pkg-config|test|the second verifier of SAML messages"
    "/usr/lib/llvm-*/lib/libclang.so|libclang-dev|test|reads its headers for Rust"
    "/usr/lib/postgresql/*/bin/initdb|postgresql|test|the stores' tests run on it too, in throwaway clusters of their own"
    "/usr/lib/python3/dist-packages/grpc|python3-grpcio|test|gRPC's own implementation, behind and before the gateway"
    "/usr/lib/python3*/ensurepip|python3 python3-venv|test|runs the mail server that notices are sent to, which pip installs beside the build"
    "cvc5|cvc5|test|the solver that proves the policies' properties and compares policy sets"
    "sqlfluff|sqlfluff|test|lints the migrations"
    "/usr/share/modsecurity-crs/rules|modsecurity-crs|demo test bench bench-waf|rules that the inspection engine runs and is measured with"
    "/usr/include/modsecurity/modsecurity.h|libmodsecurity-dev|bench-waf|the engine that ours is compared with"
    "valgrind|valgrind|bench-waf|counts instructions"
    "wrk|wrk|bench|puts the load on the proxies that are compared"
)

purpose=${1:?"usage: deploy/packages.sh build|demo|test|bench|bench-waf"}
case $purpose in
    build | demo | test | bench | bench-waf) ;;
    *) echo "packages: \`$purpose\` is none of build, demo, test, bench, bench-waf" >&2; exit 2 ;;
esac

missing=()
for row in "${rows[@]}"; do
    IFS='|' read -r probe packages purposes reason <<<"$row"
    [[ " build $purpose " =~ \ (${purposes// /|})\  ]] || continue
    if command -v "$probe" >/dev/null || compgen -G "$probe" >/dev/null; then continue; fi
    [ ${#missing[@]} -gt 0 ] || echo "Missing on this machine:"
    printf '  %-15s %s\n' "$packages" "$reason"
    # Several packages in one row are several words.
    read -ra words <<<"$packages"
    missing+=("${words[@]}")
done

if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "This is no Debian: please install them in this system's way, then try again." >&2
        exit 1
    fi
    if [ "$(id -u)" -eq 0 ]; then
        as_root=(env DEBIAN_FRONTEND=noninteractive)
    elif command -v sudo >/dev/null; then
        as_root=(sudo DEBIAN_FRONTEND=noninteractive)
    else
        echo "Please install them as root, then try again: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    # Nothing that is installed here may start a service: `policy-rc.d` says so for the time of the install, unless this
    # machine has one already. PostgreSQL would also make a cluster; what says whether is put back afterwards.
    # shellcheck disable=SC2016 # it is the inner shell that expands these
    quietly='
        set -e
        policy=/usr/sbin/policy-rc.d conf=/etc/postgresql-common/createcluster.conf
        get() { apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@" </dev/null; }
        tidy() { [ -z "$ours" ] || rm -f "$policy"; [ -z "$kept" ] || mv "$kept" "$conf"; }
        ours= kept=
        trap tidy EXIT
        trap "exit 1" INT TERM
        if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
            ours=yes
            printf "#!/bin/sh\nexit 101\n" >"$policy"
            chmod 755 "$policy"
        fi
        case " $* " in *" postgresql "*)
            get postgresql-common
            cp -p "$conf" "$conf.before-cedargate"
            kept=$conf.before-cedargate
            printf "create_main_cluster = false\n" >>"$conf"
        esac
        # It listens on port 80 from the next start on, unless an administrator has said never.
        socket=/etc/systemd/system/micro-httpd.socket
        case " $* " in *" micro-httpd "*)
            if [ ! -e "$socket" ] && [ ! -L "$socket" ]; then mkdir -p "${socket%/*}" && ln -s /dev/null "$socket"; fi
        esac
        get "$@"'
    install=("${as_root[@]}" sh -c "$quietly" sh "${missing[@]}")
    echo "Installing: ${missing[*]} (a minute or so)"
    # A machine that was just set up has no package lists yet, and old ones may name what is no longer there.
    "${install[@]}" >/dev/null 2>&1 || { "${as_root[@]}" apt-get -qq update && "${install[@]}" >/dev/null; }
fi

if ! command -v cargo >/dev/null; then
    echo "Missing on this machine: Rust 1.95 or newer. See https://rustup.rs, then try again." >&2
    exit 1
fi
if [ "$purpose" = test ]; then
    for part in fmt clippy; do
        cargo "$part" --version >/dev/null 2>&1 && continue
        component=$part
        [ "$part" = fmt ] && component=rustfmt
        echo "Installing the Rust component $component: \`make test\` checks with it"
        rustup component add "$component"
    done
fi
