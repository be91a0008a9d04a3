#!/bin/bash
# A domain of Active Directory (Samba's) in a network of its own, and what `wicketgate ca` publishes there: run by
# tests/active_directory.rs as `unshare --net domain.sh PROGRAM FOLDER`. Each step that fails ends it.
set -euo pipefail
wicketgate=$1
cd "$2"
export PATH=$PATH:/usr/sbin:/sbin
ip link set lo up
ip address add 10.53.57.30/24 dev lo
base=dc=ad,dc=example,dc=org

samba-tool domain provision --realm=ad.example.org --domain=EXAMPLE --adminpass='Correct-Horse-7' --server-role=dc \
  --dns-backend=NONE --host-name=dc --host-ip=10.53.57.30 --targetdir="$PWD/dc" >provision.log 2>&1 ||
  { tail -n 20 provision.log; exit 1; }
# The controller's certificate comes from an authority of its own, and names its host.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout dc-ca.key -out dc-ca.pem -days 2 \
  -subj '/CN=Authority of the domain' 2>/dev/null
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout dc.key -out dc.csr -subj /CN=dc 2>/dev/null
openssl x509 -req -in dc.csr -CA dc-ca.pem -CAkey dc-ca.key -days 2 -out dc.pem \
  -extfile <(echo subjectAltName=DNS:dc.ad.example.org,IP:10.53.57.30) 2>/dev/null
chmod 600 dc.key
sed -i -e '/server services/d' -e '/^\[global\]/a\
  interfaces = 10.53.57.30/24\
  bind interfaces only = yes\
  server services = ldap, winbindd\
  tls keyfile = '"$PWD"'/dc.key\
  tls certfile = '"$PWD"'/dc.pem\
  tls cafile = '"$PWD"'/dc-ca.pem' dc/etc/smb.conf
tool() { samba-tool "$@" -s dc/etc/smb.conf >tool.log 2>&1 || { cat tool.log; exit 1; }; }
tool user create ann 'Her-Own-Word-9' --given-name=Ann --surname=Arndt --mail-address=ann@example.org
tool user create ben 'His-Own-Word-9' --given-name=Ben --surname=Becker --mail-address=ben@example.org
# Who writes certificates may write that attribute of people, and nothing else (the GUID is that of userCertificate).
tool user create wicketgate 'Of-The-Directory-5'
sid=$(ldbsearch -H dc/private/sam.ldb '(sAMAccountName=wicketgate)' objectSid 2>/dev/null | sed -n 's/^objectSid: //p')
tool dsacl set --objectdn="CN=Users,$base" --sddl="(OA;CIIO;RPWP;bf967a7f-0de6-11d0-a285-00aa003049e2;bf967aba-0de6-11d0-a285-00aa003049e2;$sid)" \
  -H dc/private/sam.ldb

samba --interactive --model=single --configfile="$PWD/dc/etc/smb.conf" --debuglevel=1 >samba.log 2>&1 &
samba=$!
trap 'kill $samba 2>/dev/null || true' EXIT
export LDAPTLS_CACERT=$PWD/dc-ca.pem
search() {
  ldapsearch -x -LLL -o ldif-wrap=no -H ldaps://10.53.57.30 -D "cn=Administrator,cn=Users,$base" -w 'Correct-Horse-7' \
    -b "$base" "$@"
}
for _ in $(seq 120); do
  search '(sAMAccountName=ann)' dn >/dev/null 2>&1 && break
  kill -0 $samba || { tail -n 20 samba.log; exit 1; }
  sleep 0.5
done
# The certificates of an entry, in DER as base64.
certificates() { search "(sAMAccountName=$1)" userCertificate | sed -n 's/^userCertificate:: //p'; }
own() { openssl x509 -in "$1" -outform DER | base64 -w0; }

run() { "$wicketgate" "$@" -c wicketgate.yaml; }
run db init >/dev/null
run ca init --name Example >/dev/null
for name in ann ben; do
  run account add $name --email $name@example.org >/dev/null
  run ca issue $name --profile smime --pem --out $name.pem >/dev/null
done
run ca issue ann --profile smime --pem --out second.pem >/dev/null
run ca publish-directory
[ "$(certificates ann | sort)" = "$( (own ann.pem; echo; own second.pem; echo) | sort)" ]
[ "$(certificates ben)" = "$(own ben.pem)" ]
echo "published"
run ca revoke ann.pem --reason superseded >/dev/null
run ca revoke --account ben --hold >/dev/null
run ca publish-directory
[ "$(certificates ann)" = "$(own second.pem)" ]
[ -z "$(certificates ben)" ]
run ca revoke --account ben --unhold >/dev/null
run ca publish-directory
[ "$(certificates ben)" = "$(own ben.pem)" ]
echo "taken back"
# It may write nothing else.
ldapmodify -x -H ldaps://10.53.57.30 -D "cn=wicketgate,cn=Users,$base" -w 'Of-The-Directory-5' >modify.log 2>&1 <<END && exit 1
dn: CN=Ann Arndt,CN=Users,$base
changetype: modify
replace: mail
mail: mallory@example.org
END
grep -q 'Insufficient access' modify.log
# A password that does not let in is said, and nothing is lost.
sed -i 's/Of-The-Directory-5/wrong/' directory.password
run ca revoke second.pem --reason keyCompromise >/dev/null
run ca publish-directory >wrong.log 2>&1 || true
run ca publish-directory --pending
[ "$(certificates ann)" = "$(own second.pem)" ]
echo "and nothing else"
