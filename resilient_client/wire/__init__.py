"""The wire: what sends one attempt over the network. `resilient_client.exchange` is the seam it stands behind."""
