# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Ports of services by the names firewalld and people use; data only.

Sources: IANA's registry of service names, and what the programs listen on by default.
"""

from __future__ import annotations


def _table(text: str) -> dict[str, tuple[str, ...]]:
    rows = (line.split() for line in text.strip().splitlines())
    return {name: tuple(ports) for name, *ports in rows}


PORTS: dict[str, tuple[str, ...]] = _table(
    """
    amqp 5672/tcp
    amqps 5671/tcp
    apcupsd 3551/tcp
    audit 60/tcp
    bacula 9101/tcp 9102/tcp 9103/tcp
    bacula-client 9102/tcp
    bgp 179/tcp
    bitcoin 8333/tcp
    ceph 6800-7300/tcp
    ceph-mon 3300/tcp 6789/tcp
    cockpit 9090/tcp
    collectd 25826/udp
    dhcp 67/udp
    dhcpv6 547/udp
    dhcpv6-client 546/udp
    dns 53/tcp 53/udp
    dns-over-tls 853/tcp
    docker-registry 5000/tcp
    docker-swarm 2377/tcp 7946/tcp 7946/udp 4789/udp
    domain 53/tcp 53/udp
    elasticsearch 9200/tcp 9300/tcp
    etcd-client 2379/tcp
    etcd-server 2380/tcp
    finger 79/tcp
    ftp 21/tcp
    ftps 990/tcp
    galera 3306/tcp 4444/tcp 4567/tcp 4567/udp 4568/tcp
    git 9418/tcp
    grafana 3000/tcp
    http 80/tcp
    http3 443/udp
    https 443/tcp
    imap 143/tcp
    imaps 993/tcp
    ipp 631/tcp
    ipp-client 631/udp
    ipsec 500/udp 4500/udp
    irc 194/tcp
    ircs 994/tcp
    iscsi-target 3260/tcp
    jenkins 8080/tcp
    kadmin 749/tcp
    kerberos 88/tcp 88/udp
    kibana 5601/tcp
    kpasswd 464/tcp 464/udp
    kube-apiserver 6443/tcp
    kube-controller-manager 10257/tcp
    kube-scheduler 10259/tcp
    kubelet 10250/tcp
    ldap 389/tcp
    ldaps 636/tcp
    libvirt 16509/tcp
    libvirt-tls 16514/tcp
    llmnr 5355/tcp 5355/udp
    mdns 5353/udp
    memcache 11211/tcp 11211/udp
    minecraft 25565/tcp
    mongodb 27017/tcp
    mosh 60000-61000/udp
    mountd 20048/tcp 20048/udp
    mqtt 1883/tcp
    mqtt-tls 8883/tcp
    mssql 1433/tcp
    murmur 64738/tcp 64738/udp
    mysql 3306/tcp
    nbd 10809/tcp
    netbios-ns 137/udp
    nfs 2049/tcp
    nfs3 2049/tcp 2049/udp
    nrpe 5666/tcp
    ntp 123/udp
    openvpn 1194/udp
    plex 32400/tcp
    pmcd 44321/tcp
    pop3 110/tcp
    pop3s 995/tcp
    postgresql 5432/tcp
    prometheus 9090/tcp
    prometheus-node-exporter 9100/tcp
    ptp 319/udp 320/udp
    puppetmaster 8140/tcp
    quassel 4242/tcp
    radius 1812/udp 1813/udp
    rdp 3389/tcp
    redis 6379/tcp
    redis-sentinel 26379/tcp
    rpc-bind 111/tcp 111/udp
    rsyncd 873/tcp
    rtsp 554/tcp 554/udp
    salt-master 4505/tcp 4506/tcp
    samba 137/udp 138/udp 139/tcp 445/tcp
    samba-client 137/udp 138/udp
    sip 5060/tcp 5060/udp
    sips 5061/tcp
    smtp 25/tcp
    smtp-submission 587/tcp
    smtps 465/tcp
    snmp 161/udp
    snmptrap 162/udp
    squid 3128/tcp
    ssh 22/tcp
    ssdp 1900/udp
    submission 587/tcp
    submissions 465/tcp
    svn 3690/tcp
    syncthing 22000/tcp 22000/udp 21027/udp
    syslog 514/udp
    syslog-tls 6514/tcp
    telnet 23/tcp
    tftp 69/udp
    transmission-client 51413/tcp 51413/udp
    upnp-client 1900/udp
    vnc-server 5900-5903/tcp
    wireguard 51820/udp
    wsman 5985/tcp
    wsmans 5986/tcp
    xmpp-client 5222/tcp
    xmpp-server 5269/tcp
    zabbix-agent 10050/tcp
    zabbix-server 10051/tcp
    """
)
