"""What town.ts runs in network namespaces: servers, clients, and frames of any shape."""
import socket
import sys
import threading


def family(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def say(text):
    print(text, flush=True)


def serve(port):
    def answer(server):
        while True:
            connection, (peer, *_) = server.accept()
            connection.sendall(f'seen as {peer}\n'.encode())
            connection.close()

    def listen(server):
        while True:
            data, (peer, *_) = server.recvfrom(2048)
            say(f'{peer} {data.decode(errors="replace")}')

    for kind in (socket.AF_INET, socket.AF_INET6):
        for transport, work in ((socket.SOCK_STREAM, answer), (socket.SOCK_DGRAM, listen)):
            server = socket.socket(kind, transport)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if kind == socket.AF_INET6:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            server.bind(('', int(port)))
            if transport == socket.SOCK_STREAM:
                server.listen()
            threading.Thread(target=work, args=(server,)).start()
    say('ready')


def pour(port):
    def give(connection):
        try:
            while True:
                connection.sendall(bytes(65536))
        except OSError:
            connection.close()

    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(('', int(port)))
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(('', int(port)))
    server.listen()
    say('ready')
    while True:
        threading.Thread(target=give, args=(server.accept()[0],), daemon=True).start()


def sniff(device, marker):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    raw.bind((device, 0))
    say('ready')
    while True:
        frame = raw.recv(4096)
        if bytes.fromhex(marker) in frame:
            say(frame.hex())


def ask(address, port, patience):
    with socket.socket(family(address), socket.SOCK_STREAM) as client:
        client.settimeout(float(patience))
        client.connect(socket.getaddrinfo(address, int(port))[0][4])
        sys.stdout.write(client.recv(200).decode())


def tell(address, port, text):
    with socket.socket(family(address), socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.sendto(text.encode(), socket.getaddrinfo(address, int(port))[0][4])


def frames(device, *given):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((device, 0))
    for frame in given:
        raw.send(bytes.fromhex(frame))


globals()[sys.argv[1]](*sys.argv[2:])
