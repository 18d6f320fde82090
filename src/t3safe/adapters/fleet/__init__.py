"""The fleet's store on etcd, by transactions over its JSON gateway; needs the extra `fleet`.

codec      records as JSON text and back
gateway    requests to one of several endpoints: deadline, TLS, token, what an answer means
store      the port FleetStore
"""
