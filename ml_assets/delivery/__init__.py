"""Delivery: model versions, images and deployments."""
