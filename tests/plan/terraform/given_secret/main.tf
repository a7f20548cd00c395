# Everything that can be known at plan is: the APIs and the secret are given by id and ARN.
module "revenium" {
  source = "../../../.."

  api_key_secret = {
    arn         = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf"
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }
  rest_apis      = { shop = { id = "abcdef1234" } }
  http_apis      = { news = { id = "ghijkl5678" } }
  websocket_apis = { chat = { id = "mnopqr9012" } }
}

output "access_log_settings" {
  value = module.revenium.access_log_settings
}
