def test_kubectl_is_answered(control_plane, namespace):
    assert namespace in control_plane.run_kubectl("get", "namespaces", "-o", "name")
