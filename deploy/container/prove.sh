#!/usr/bin/env bash
# Proves what deploy/container/Containerfile says of the image, without an image: runs the gateway in a root directory that holds
# nothing but the program, the libraries that it loads and its configuration, read-only but for the two volumes, as user 65532,
# without capabilities; asks its health by the program itself; ends it by SIGTERM.
# Usage, as root: deploy/container/prove.sh PROGRAM POLICIES
set -euo pipefail

program=${1:?"usage: deploy/container/prove.sh PROGRAM POLICIES"}
policies=${2:?"usage: deploy/container/prove.sh PROGRAM POLICIES"}
if [ "${PROVING:-}" != yes ]; then
    # Mounts of its own, which go with it.
    exec env PROVING=yes unshare --mount --propagation private -- "$0" "$@"
fi

root=$(mktemp -d)
trap 'umount -R "$root" 2>/dev/null || true; rmdir "$root"' EXIT
mount -t tmpfs -o size=1g tmpfs "$root"
mkdir -p "$root"/{usr/local/bin,etc/cedargate,var/lib/cedargate,run/cedargate,proc,dev}
cp "$program" "$root/usr/local/bin/cedargate"
cp -r "$policies" "$root/etc/cedargate/policies"
# The libraries, where the loader looks for them: what `ldd` names and nothing else.
ldd "$program" | grep -o '/[^ ]*' | sort -u | while read -r library; do
    install -D "$library" "$root$library"
done
touch "$root/dev/urandom" "$root/dev/null"
mount --bind /dev/urandom "$root/dev/urandom"
mount --bind /dev/null "$root/dev/null"
mount -t proc proc "$root/proc"

port=${PORT:-18080}
admin=${ADMIN_PORT:-18081}
cat > "$root/etc/cedargate/cedargate.toml" <<CONFIG
[listen]
base_url = "http://localhost:$port"
admin_address = "127.0.0.1:$admin"
threads = 1
drain_timeout_seconds = 1
[[listen.listener]]
address = "127.0.0.1:$port"
[store]
state_dir = "/var/lib/cedargate"
[secrets]
master_key_file = "master.key"
[policies]
dir = "policies"
[ingest]
listen = "unix:/run/cedargate/events.sock"
CONFIG
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$root/etc/cedargate/master.key"
chmod 0400 "$root/etc/cedargate/master.key"
chown 65532:65532 "$root/etc/cedargate/master.key" "$root/var/lib/cedargate" "$root/run/cedargate"
chmod 0700 "$root/var/lib/cedargate"
chmod 0750 "$root/run/cedargate"

# Two volumes on a root that nobody can write.
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 tmpfs "$root/var/lib/cedargate"
mount -t tmpfs -o uid=65532,gid=65532,mode=0750 tmpfs "$root/run/cedargate"
mount -o remount,ro "$root"

# Becoming 65532 leaves no capability, and none can be had again.
inside=(env -i CEDARGATE_CONFIG=/etc/cedargate/cedargate.toml setpriv --no-new-privs
    "$(command -v chroot)" --userspec=65532:65532 --groups= "$root" /usr/local/bin/cedargate)
"${inside[@]}" keys init
"${inside[@]}" tenant create acme
"${inside[@]}" service credential create inventory > /dev/null
"${inside[@]}" config check
"${inside[@]}" serve > /dev/null &
gateway=$!
for _ in $(seq 300); do
    "${inside[@]}" health --ready > /dev/null 2>&1 && break
    kill -0 "$gateway" || { echo "the gateway ended by itself" >&2; exit 1; }
    sleep 0.1
done
"${inside[@]}" health --ready
"${inside[@]}" health
[ -S "$root/run/cedargate/events.sock" ] && [ -s "$root/var/lib/cedargate/jwks.json" ]
kill -TERM "$gateway"
wait "$gateway"
"${inside[@]}" audit verify
echo "proved: the image needs $(cd "$root" && find lib* usr -type f | tr '\n' ' ')"
